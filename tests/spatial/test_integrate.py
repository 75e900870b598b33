import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from monai.networks.blocks import DVF2DDF
from scipy.integrate import solve_ivp
from scipy.ndimage import map_coordinates
from torch import Tensor

from common.spatial import compose, exponentiate, identity_grid, jacobian_determinant


def test_exponentiate_of_a_constant_is_the_constant(shape: tuple[int, ...]) -> None:
    dvf = torch.tensor([1.5, -0.5, 0.25])[: len(shape)].view(1, -1, *[1] * len(shape)).expand(1, -1, *shape)
    torch.testing.assert_close(exponentiate(dvf), dvf)


def test_exponentiate_of_a_linear_velocity_is_the_matrix_exponential() -> None:
    shape = (21, 22, 23)
    matrix = torch.tensor([[-0.1, 0.2, 0.0], [-0.2, -0.05, 0.1], [0.0, 0.1, -0.1]])
    places = identity_grid(shape) - torch.tensor([10.0, 10.0, 11.0]).view(3, 1, 1, 1)
    expected = torch.einsum("ij,jxyz->ixyz", torch.matrix_exp(matrix) - torch.eye(3), places)
    ddf = exponentiate(torch.einsum("ij,jxyz->ixyz", matrix, places)[None])
    inner = (..., *[slice(5, 16)] * 3)
    torch.testing.assert_close(ddf[0][inner], expected[inner], rtol=0, atol=0.01)


def test_exponentiate_of_a_large_field_is_as_exact_as_of_a_small_one() -> None:
    """Turns: linear, so that interpolation is exact and the squarings alone count. The last moves 27 voxels."""
    shape = (61, 61)
    places = identity_grid(shape, torch.float64) - 30.0
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    near = places.norm(dim=0) < 28  # beyond, the velocity is continued with its border values

    def error(angle: float, steps: int | None) -> float:
        expected = torch.einsum("ij,jxy->ixy", torch.matrix_exp(angle * turn) - torch.eye(2), places)
        ddf = exponentiate(torch.einsum("ij,jxy->ixy", angle * turn, places)[None], steps)
        return float((ddf[0] - expected).norm(dim=0)[near].max())

    for angle in (0.01, 0.1, 0.5, 1.0):
        assert error(angle, None) < 1e-3
    assert error(0.5, 7) > 1e-2


def test_exponentiate_of_a_smooth_field_follows_the_flow(smooth_noise: Callable[..., Tensor]) -> None:
    """Against the trajectories SciPy finds in the same field, linearly interpolated."""
    dvf = smooth_noise((40, 44), 12.0, cell=20).double()
    start = np.mgrid[14:26, 14:30].reshape(2, -1)

    def velocity(_: float, flat: np.ndarray) -> np.ndarray:
        places = flat.reshape(2, -1)
        return np.stack([map_coordinates(v, places, order=1, mode="nearest") for v in dvf[0].numpy()]).ravel()

    flow = solve_ivp(velocity, (0, 1), start.ravel(), rtol=1e-6, atol=1e-6).y[:, -1].reshape(2, -1)
    errors = [
        np.abs(exponentiate(dvf, steps)[0].numpy()[:, start[0], start[1]] + start - flow).max() for steps in (7, None)
    ]
    assert errors[1] < errors[0]
    assert errors[1] < 0.02  # the field between the squarings is interpolated


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # MONAI's export is TorchScript
def test_exponentiate_traces_with_seven_squarings(shape: tuple[int, ...]) -> None:
    dvf = 3 * torch.randn(1, len(shape), *shape)
    traced = torch.jit.trace(exponentiate, torch.zeros_like(dvf))
    torch.testing.assert_close(traced(dvf), exponentiate(dvf, 7))


def test_exponentiate_of_minus_the_velocity_is_the_inverse(smooth_noise: Callable[..., Tensor]) -> None:
    dvf = smooth_noise((24, 26, 28), 3.0, cell=12)
    residual = compose(exponentiate(dvf), exponentiate(-dvf))
    assert residual[..., 6:-6, 6:-6, 6:-6].norm(dim=1).max() < 0.15
    assert exponentiate(dvf).abs().max() > 2


def test_exponentiate_does_not_fold(smooth_noise: Callable[..., Tensor]) -> None:
    dvf = smooth_noise((24, 26, 28), 6.0, cell=8)
    assert (jacobian_determinant(dvf) <= 0).any()
    assert (jacobian_determinant(exponentiate(dvf)) > 0).all()


def test_exponentiate_agrees_with_monai(shape: tuple[int, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        integrate = DVF2DDF(num_steps=5, padding_mode="border")
    dvf = torch.randn(2, len(shape), *shape)
    torch.testing.assert_close(exponentiate(dvf, 5), integrate(dvf), rtol=0, atol=1e-4)


def test_exponentiate_in_no_steps_is_the_velocity(shape: tuple[int, ...]) -> None:
    dvf = torch.randn(1, len(shape), *shape)
    assert torch.equal(exponentiate(dvf, 0), dvf)


def test_exponentiate_is_float32_under_autocast(shape: tuple[int, ...]) -> None:
    dvf = torch.randn(1, len(shape), *shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = exponentiate(dvf)
        assert exponentiate(dvf.bfloat16()).dtype == torch.float32
    assert torch.equal(mixed, exponentiate(dvf))


def test_exponentiate_gradient() -> None:
    dvf = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: exponentiate(v, 3), dvf, fast_mode=True)


def test_exponentiate_rejects_wrong_input() -> None:
    with pytest.raises(ValueError, match=r"exponentiate\(\) expects 'dvf' of shape \(1, 3, 5, 6, 7\), got \(1, 4,"):
        exponentiate(torch.zeros(1, 4, 5, 6, 7))
    with pytest.raises(ValueError, match=r"exponentiate\(\) expects 'steps' of 0 or more, got -1\."):
        exponentiate(torch.zeros(1, 3, 5, 6, 7), -1)
