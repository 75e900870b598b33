from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.spatial import (
    Grid,
    RandomSpline,
    SplineField,
    compose_splines,
    deformed_pair,
    interpolating_spline,
    resample,
    warp,
)


def recorded_pair(recorded: dict[str, np.ndarray]) -> tuple:
    fields = {
        name: interpolating_spline(torch.from_numpy(recorded[f"ctrl_{name}"])[None] * 32, (32, 32, 32))
        for name in ("t1", "t21", "t22")
    }
    image, mask = (torch.from_numpy(recorded[name])[None, None] for name in ("img", "mask"))
    augmentation, motion = [fields["t1"]], [fields["t22"], fields["t21"]]
    places = [compose_splines(each, (32, 32, 32)) for each in (augmentation, motion + augmentation)]
    inside = [((place >= 0) & (place <= 31)).all(dim=1)[0].numpy() for place in places]
    return deformed_pair(image, augmentation, motion, (32, 32, 32), mask), *inside


def test_pair_is_that_of_the_published_generator(oracle: Callable) -> None:
    """Beyond the outermost voxel centers theirs is 0 at once; ours fades over a voxel."""
    recorded = oracle("002_gryds_images")
    pair, moving_inside, fixed_inside = recorded_pair(recorded)
    moving, mask, fixed = pair.moving_image, pair.mask, pair.fixed_image
    for ours, name, inside in (
        (moving, "I1", moving_inside),
        (mask, "mask_T1", moving_inside),
        (fixed, "I2", fixed_inside),
    ):
        np.testing.assert_allclose(ours[0, 0].numpy()[inside], recorded[name][inside], atol=1e-4)
        assert np.abs(recorded[name][~inside]).max() == 0
    np.testing.assert_allclose(pair.ddf[0], recorded["u_T2_voxels"], atol=1e-5)
    error = (torch.from_numpy(recorded["u_hat"])[None] - pair.ddf).square().sum(dim=1, keepdim=True)
    mask = torch.from_numpy(recorded["mask_T1"])[None, None]
    np.testing.assert_allclose((mask * error).sum() / mask.sum(), recorded["loss_eq4"], rtol=1e-4)


def test_determinant_is_that_of_the_published_generator(oracle: Callable) -> None:
    recorded = oracle("002_gryds_images")
    pair, *_ = recorded_pair(recorded)
    slopes = [pair.ddf[0].diff(dim=axis)[:, :31, :31, :31] for axis in (1, 2, 3)]
    matrices = torch.stack(slopes, dim=-1).movedim(0, -2) + torch.eye(3)  # forward differences
    np.testing.assert_allclose(torch.linalg.det(matrices), recorded["jacdet_T2"][:31, :31, :31], atol=1e-4)


def test_ddf_warps_the_moving_image_to_the_fixed_one() -> None:
    """Each of the pair is one interpolation; warping is a second one, exact for straight lines alone."""
    shape = (24, 20, 22)
    image = torch.stack(torch.meshgrid(*[torch.arange(n) * 1.0 for n in shape], indexing="ij"))[None]
    generator = torch.Generator().manual_seed(1)
    augmentation, motion = ([RandomSpline(n, 0.02).draw(shape, 1, generator)] for n in (2, 3))
    pair = deformed_pair(image, augmentation, motion, shape)
    inner = (..., slice(5, -5), slice(5, -5), slice(5, -5))
    assert pair.ddf.abs().max() > 0.2
    assert (warp(pair.moving_image, pair.ddf) - pair.fixed_image)[inner].abs().max() < 0.01


def still(*shape: int) -> list[SplineField]:
    return [interpolating_spline(torch.zeros(1, len(shape), *[2] * len(shape)), shape)]


def test_original_of_another_size_covers_the_same_field_of_view() -> None:
    image = torch.rand(1, 1, 12, 9, 8)
    pair = deformed_pair(image, still(6, 9, 4), still(6, 9, 4), (6, 9, 4))
    coarse = torch.diag(torch.tensor([2.0, 1, 2, 1]).double())
    coarse[:3, 3] = torch.tensor([0.5, 0, 0.5])
    expected = resample(image, torch.eye(4).double(), Grid((6, 9, 4), coarse))
    torch.testing.assert_close(pair.moving_image, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(pair.mask, torch.ones_like(pair.mask))


def test_beyond_the_field_of_view_is_air_and_does_not_count() -> None:
    shift = [SplineField(torch.full((1, 2, 9, 9), 3.0), (4.0, 4.0), (-12.0, -12.0))]
    pair = deformed_pair(torch.full((1, 1, 8, 8), 40.0), shift, still(8, 8), (8, 8), fill=-1000.0)
    assert pair.moving_image[0, 0, -2, 0] == -1000
    assert pair.moving_image[0, 0, 2, 0] == 40
    assert pair.mask[0, 0, -2, 0] == 0
    assert torch.equal(pair.moving_image, pair.fixed_image)


def test_wrong_mask_raises() -> None:
    with pytest.raises(ValueError, match=r"expects 'mask' of shape \(1, 1, 8, 8\), got \(1, 1, 4, 8\)"):
        deformed_pair(torch.zeros(1, 1, 8, 8), still(8, 8), still(8, 8), (8, 8), torch.zeros(1, 1, 4, 8))


@pytest.mark.parametrize("moved", [True, False])
def test_fields_may_be_left_out(moved: bool) -> None:
    image = torch.rand(1 if moved else 2, 1, 6, 9, 4)
    shift = [*still(6, 9, 4), *still(6, 9, 4)] if moved else []
    pair = deformed_pair(image, [], shift, (6, 9, 4))
    torch.testing.assert_close(pair.moving_image, image)
    torch.testing.assert_close(pair.fixed_image, image)
    assert not pair.ddf.any()
    assert pair.ddf.shape[1:] == (3, 6, 9, 4)
