"""Fields and images on the way from feature maps to images."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.optimization import REFERENCE, coarsen_displacement, parts_of, resample_lattice, upsample_displacement
from common.optimization.upsample import knots_of, sample_axes

Oracle = Callable[[str], dict[str, np.ndarray]]


def linear_field(shape: tuple[int, ...], matrix: Tensor) -> Tensor:
    """Affine displacement `matrix @ x` on a grid, `(1, d, *shape)`."""
    grid = torch.stack(torch.meshgrid(*[torch.arange(float(n)) for n in shape], indexing="ij"))
    return torch.tensordot(matrix, grid, dims=([1], [0]))[None]


@pytest.mark.parametrize("consistent", [False, True])
def test_upsample_displacement_equals_released_code(
    oracle: Oracle, to_voxels: Callable[..., Tensor], consistent: bool
) -> None:
    recorded = oracle("003_coupled_convex")
    ddf = to_voxels(recorded["ice_forward_norm"]) if consistent else torch.tensor(recorded["disp_soft"])
    expected = to_voxels(recorded["disp_half_ice" if consistent else "disp_half_noice"])
    upsampled = upsample_displacement(ddf, expected.shape[2:], expected.shape[2] / ddf.shape[2], scheme=REFERENCE)
    np.testing.assert_allclose(upsampled.numpy(), expected.numpy(), atol=1e-4)


def test_upsample_displacement_to_image_equals_released_code(oracle: Oracle, to_voxels: Callable[..., Tensor]) -> None:
    recorded = oracle("003_coupled_convex")
    ddf = to_voxels(recorded["ice_forward_norm"])
    shape = tuple(8 * n for n in ddf.shape[2:])
    upsampled = upsample_displacement(ddf, shape, 8, scheme=REFERENCE)[..., ::4, ::4, ::4]
    np.testing.assert_allclose(upsampled.numpy(), to_voxels(recorded["disp_full_ice_sub4"], shape).numpy(), atol=1e-4)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("shape", [(7, 8, 9), (8, 7)])
def test_upsample_displacement_of_affine_field_is_exact(shape: tuple[int, ...], stride: int, centered: bool) -> None:
    """A displacement of voxel x of the image by `matrix @ x`, seen at the places of the feature map."""
    matrix = torch.randn(len(shape), len(shape), generator=torch.Generator().manual_seed(stride)) / 10
    large = tuple(stride * n for n in shape)
    center = (stride - 1) / 2 if centered else 0.0
    offset = (matrix @ torch.full((len(shape),), center)).view(1, -1, *[1] * len(shape))
    ddf = linear_field(shape, matrix) + offset / stride
    upsampled = upsample_displacement(ddf, large, stride, centered)
    interior = tuple([slice(None)] * 2 + [slice(3 * stride, -3 * stride)] * len(shape))
    torch.testing.assert_close(upsampled[interior], linear_field(large, matrix)[interior], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2, 4, 5])
def test_upsample_displacement_keeps_constants_up_to_the_border(stride: int) -> None:
    ddf = torch.tensor([1.0, -2.0, 3.0]).view(1, 3, 1, 1, 1).expand(2, 3, 3, 4, 5)
    upsampled = upsample_displacement(ddf, (3 * stride, 4 * stride, 5 * stride), stride)
    expected = stride * ddf[:, :, :1, :1, :1].expand_as(upsampled)
    torch.testing.assert_close(upsampled, expected)


@pytest.mark.parametrize("shape", [(5, 6, 7), (7, 5)])
def test_resample_lattice_equals_interpolate(shape: tuple[int, ...]) -> None:
    image = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    mode = {2: "bilinear", 3: "trilinear"}[len(shape)]
    larger = F.interpolate(image, scale_factor=4, mode=mode)
    torch.testing.assert_close(resample_lattice(image, larger.shape[2:], 4), larger)
    torch.testing.assert_close(
        resample_lattice(larger, shape, 0.25), F.interpolate(larger, scale_factor=0.25, mode=mode)
    )


def test_resample_lattice_of_same_grid_is_identity() -> None:
    image = torch.rand(1, 2, 3, 4, 5)
    assert torch.equal(resample_lattice(image, (3, 4, 5), 1), image)


def test_resample_lattice_strided_picks_every_other_voxel() -> None:
    image = torch.rand(1, 1, 6, 8)
    torch.testing.assert_close(resample_lattice(image, (3, 4), 0.5, centered=False), image[..., ::2, ::2])


def test_upsample_displacement_has_gradient() -> None:
    ddf = torch.rand(1, 2, 2, 3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda u: upsample_displacement(u, (8, 12), 4), ddf)


def test_upsample_displacement_raises() -> None:
    with pytest.raises(ValueError, match=r"upsample_displacement\(\) expects 'stride' of 1 or more, got 0.5"):
        upsample_displacement(torch.zeros(1, 3, 5, 6, 7), (5, 6, 7), 0.5)
    with pytest.raises(ValueError, match=r"upsample_displacement\(\) expects 'spatial_shape' of 3 positive integers"):
        upsample_displacement(torch.zeros(1, 3, 5, 6, 7), (10, 12), 2)


@pytest.mark.parametrize("centered", [False, True])
def test_coarsen_displacement_looks_where_its_voxels_lie(centered: bool) -> None:
    ddf = linear_field((6, 8, 10), torch.tensor([[0.1, 0.2, 0.0], [0.0, 0.3, 0.0], [0.5, 0.0, 0.1]]))
    coarse = coarsen_displacement(ddf, 2, centered)
    first = ddf[..., ::2, ::2, ::2]
    expected = (first + ddf[..., 1::2, 1::2, 1::2]) / 2 if centered else first
    torch.testing.assert_close(coarse, expected / 2)


def test_coarsen_displacement_of_released_code_counts_from_corner_to_corner() -> None:
    coarse = coarsen_displacement(torch.ones(1, 2, 6, 8), 2, scheme=REFERENCE)
    torch.testing.assert_close(coarse[0, :, 0, 0], torch.tensor([2 / 5, 3 / 7]))


def test_coarsen_displacement_raises() -> None:
    with pytest.raises(ValueError, match=r"expects 'ddf' of sizes that 2 divides, got \(6, 7\)"):
        coarsen_displacement(torch.zeros(1, 2, 6, 7), 2)


@pytest.mark.parametrize("spacing", [1, 2, 3])
@pytest.mark.parametrize("shape", [(5, 6, 7), (8, 9, 4), (1, 2, 10)])
def test_knots_of_a_linear_field_lead_back_to_it(shape: tuple[int, ...], spacing: int) -> None:
    """At every part of the voxels; between the last knot and the border, too."""
    matrix = torch.tensor([[0.1, 0.2, 0.0], [0.0, 0.3, 0.0], [0.5, 0.0, 0.1]])
    field = linear_field(shape, matrix) + 1
    knots = knots_of(field, spacing)
    assert list(knots.shape[2:]) == [-(-(size - 1) // spacing) + 1 for size in shape]
    assert torch.equal(knots[..., 0, 0, 0], field[..., 0, 0, 0])
    for part in parts_of(shape, 3):
        there = sample_axes(knots, [axis / spacing for axis in part.axes(shape, field)])
        torch.testing.assert_close(there, part.of(field))


def test_sample_axes_continues_the_border() -> None:
    image = torch.tensor([[[[0.0, 1.0, 5.0]]]])
    found = sample_axes(image, [torch.tensor([0.0, 3.0]), torch.tensor([-2.0, 0.25, 1.5, 9.0])])
    torch.testing.assert_close(found[0, 0], torch.tensor([[0.0, 0.25, 3.0, 5.0]]).expand(2, 4))
