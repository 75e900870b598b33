from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.spatial import identity_grid, resize_ddf, warp


def test_resize_ddf_of_an_affine_field_is_exact() -> None:
    """u(x) = M x in old voxels is S M S^-1 x in new ones, S the ratio of the voxel steps."""
    old, new = (5, 6, 7), (9, 4, 13)
    matrix = torch.randn(3, 3)
    scale = torch.tensor([8 / 4, 3 / 5, 12 / 6])
    expected = torch.einsum("ij,jxyz->ixyz", scale[:, None] * matrix / scale, identity_grid(new))
    resized = resize_ddf(torch.einsum("ij,jxyz->ixyz", matrix, identity_grid(old))[None], new)
    torch.testing.assert_close(resized[0], expected, rtol=0, atol=1e-4)


def test_resize_ddf_to_its_own_shape_is_the_identity(shape: tuple[int, ...]) -> None:
    ddf = torch.randn(2, len(shape), *shape)
    torch.testing.assert_close(resize_ddf(ddf, shape), ddf)


def test_resized_field_warps_the_resized_image(smooth_noise: Callable[..., Tensor]) -> None:
    shape, fine = (12, 13, 14), (23, 25, 27)
    image, ddf = smooth_noise(shape, 1.0, cell=6)[:, :1], smooth_noise(shape, 2.0, cell=6, seed=1)
    fine_warp = warp(F.interpolate(image, size=fine, mode="trilinear", align_corners=True), resize_ddf(ddf, fine))
    torch.testing.assert_close(fine_warp[..., ::2, ::2, ::2], warp(image, ddf), rtol=0, atol=0.02)


def test_resize_ddf_is_in_single_precision_at_least() -> None:
    assert resize_ddf(torch.zeros(1, 2, 3, 3).half(), (4, 2)).dtype == torch.float32


def test_resize_ddf_gradient(shape: tuple[int, ...]) -> None:
    ddf = torch.randn(1, len(shape), *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda u: resize_ddf(u, [n + 2 for n in shape]), ddf, fast_mode=True)


def test_resize_handles_an_axis_of_one_voxel() -> None:
    flat = torch.ones(1, 2, 1, 4)
    assert resize_ddf(flat, (1, 7))[0, :, 0, 0].tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"'ddf' with 2 or more voxels along an axis that grows to 3, got 1\."):
        resize_ddf(flat, (3, 4))


def test_resize_rejects_wrong_input() -> None:
    with pytest.raises(
        ValueError, match=r"resize_ddf\(\) expects 'spatial_shape' of 3 positive integers, got \(4, 5\)"
    ):
        resize_ddf(torch.zeros(1, 3, 5, 6, 7), (4, 5))
