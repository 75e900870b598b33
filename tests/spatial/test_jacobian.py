import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.spatial import folding_percent, grid, identity_grid, jacobian_determinant, sdlogj


def affine_field(matrix: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.einsum("ij,j...->i...", matrix, identity_grid(shape, matrix.dtype))[None]


@pytest.mark.parametrize("crop", [0, 1, 2])
def test_jacobian_determinant_of_an_affine_field_is_constant(shape: tuple[int, ...], crop: int) -> None:
    matrix = torch.randn(len(shape), len(shape), dtype=torch.float64)
    determinant = jacobian_determinant(affine_field(matrix, shape), crop=crop)
    assert determinant.shape == (1, 1, *[n - 2 * crop for n in shape])
    expected = torch.linalg.det(torch.eye(len(shape)) + matrix)
    torch.testing.assert_close(determinant, expected.expand_as(determinant))


def test_jacobian_determinant_uses_central_differences() -> None:
    """u_0 = i^2 / 10 has the central slope i / 5; the one-sided slope at i = 0 is 1 / 10."""
    ddf = torch.zeros(1, 2, 6, 7)
    ddf[:, 0] = identity_grid((6, 7))[0] ** 2 / 10
    assert jacobian_determinant(ddf)[0, 0, :, 0].tolist() == pytest.approx([1.4, 1.6])
    assert jacobian_determinant(ddf, crop=0)[0, 0, :2, 0].tolist() == pytest.approx([1.1, 1.2])


def test_jacobian_agrees_with_the_recorded_metrics(oracle: Callable[[str], dict[str, np.ndarray]]) -> None:
    arrays = oracle("003_metrics")
    determinant = jacobian_determinant(torch.from_numpy(arrays["disp_vox"]))
    torch.testing.assert_close(determinant, torch.from_numpy(arrays["jacdet"]), rtol=0, atol=1e-4)
    assert sdlogj(determinant).item() == pytest.approx(arrays["sdlogj"].item(), abs=1e-4)
    assert folding_percent(determinant).item() == pytest.approx(arrays["folding_pct"].item(), abs=1e-4)


@pytest.mark.parametrize("crop", [0, 1, 2])
def test_jacobian_determinant_is_the_same_slab_by_slab(crop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ddf = torch.randn(1, 3, 9, 7, 8)
    whole = jacobian_determinant(ddf, crop=crop)
    monkeypatch.setattr(grid, "SLAB", 1)
    assert torch.equal(jacobian_determinant(ddf, crop=crop), whole)


def test_folding_percent_counts_what_is_not_above_zero() -> None:
    determinant = torch.tensor([[1.0, 0.0, -1.0, 2.0], [1.0, 1.0, 1.0, 1e-9]]).view(2, 1, 2, 2)
    assert folding_percent(determinant).tolist() == [50, 0]


def test_folding_percent_within_a_mask() -> None:
    determinant = torch.tensor([[1.0, 0.0, -1.0, 2.0]]).view(1, 1, 2, 2)
    mask = torch.tensor([[True, True, True, False]]).view(1, 1, 2, 2)
    assert folding_percent(determinant, mask).tolist() == pytest.approx([200 / 3])
    assert folding_percent(determinant, mask & False).isnan().all()
    with pytest.raises(ValueError, match=r"'mask' of shape \(1, 1, 2, 2\), got \(1, 1, 2, 1\)"):
        folding_percent(determinant, mask[..., :1])


@pytest.mark.parametrize("measure", [folding_percent, sdlogj])
@pytest.mark.parametrize("shape", [(2, 3, 5, 6, 7), (1, 2, 5, 6), (5, 6)])
def test_measures_of_a_determinant_take_no_field(measure: Callable, shape: tuple[int, ...]) -> None:
    expected = rf"{measure.__name__}\(\) expects 'determinant' of shape .* compute jacobian_determinant\(\) first"
    with pytest.raises(ValueError, match=expected):
        measure(torch.zeros(shape))


@pytest.mark.parametrize("shift", [3, 15])
def test_sdlogj_is_that_of_the_symmetric_network_s_authors(oracle: Callable, shift: int) -> None:
    arrays = oracle("001_metrics_sdlogj")
    field = torch.from_numpy(arrays["disp_vox"])
    determinant = jacobian_determinant(field if field.ndim == 5 else field[None])
    population = math.sqrt(1 - 1 / determinant.numel())  # theirs divides by n
    recorded = float(arrays[f"sdlogj_plus{shift}"])
    assert sdlogj(determinant, shift).item() * population == pytest.approx(recorded, abs=1e-5)


def test_sdlogj_is_the_unbiased_deviation_of_the_shifted_logarithm() -> None:
    determinant = torch.tensor([[math.e - 3, math.e**3 - 3], [1.0, 1.0]]).view(2, 1, 1, 2)
    assert sdlogj(determinant).tolist() == pytest.approx([math.sqrt(2), 0])
    assert sdlogj(torch.tensor([-9.0, 1e-9 - 3]).view(1, 1, 1, 2)).item() == pytest.approx(0, abs=1e-3)


def test_jacobian_determinant_gradient(shape: tuple[int, ...]) -> None:
    ddf = torch.randn(1, len(shape), *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda u: jacobian_determinant(u, crop=0), ddf, fast_mode=True)


def test_jacobian_determinant_lifts_half_precision() -> None:
    assert jacobian_determinant(torch.zeros(1, 2, 5, 6, dtype=torch.bfloat16)).dtype == torch.float32


def test_jacobian_determinant_rejects_wrong_input() -> None:
    with pytest.raises(
        ValueError, match=r"'ddf' of 5 or more voxels along each axis for crop=2, got \(1, 3, 4, 6, 7\)"
    ):
        jacobian_determinant(torch.zeros(1, 3, 4, 6, 7))
    with pytest.raises(ValueError, match=r"jacobian_determinant\(\) expects 'ddf' of shape \(1, 2, 6, 7\), got"):
        jacobian_determinant(torch.zeros(1, 3, 6, 7))
