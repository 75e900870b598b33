from collections.abc import Callable

import pytest
import torch
from scipy.stats import ortho_group

from common.losses import AffineOrthogonality


def test_loss_is_that_of_the_released_code(oracle: Callable) -> None:
    recorded = oracle("000_affine_losses")
    matrix = torch.from_numpy(recorded["W"]) + torch.eye(3)
    assert len(matrix) * AffineOrthogonality()(matrix).item() == pytest.approx(float(recorded["ortho_loss"]), abs=1e-3)


@pytest.mark.parametrize("dims", [2, 3])
def test_orthogonal_matrices_cost_nothing(dims: int) -> None:
    matrix = torch.from_numpy(ortho_group.rvs(dims, size=5, random_state=0))
    assert AffineOrthogonality()(matrix).item() == pytest.approx(0, abs=1e-9)


def test_loss_is_that_of_the_singular_values() -> None:
    matrix = torch.rand(4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    squares = torch.linalg.svdvals(matrix).square() + 1e-5
    expected = (squares + (1 + 1e-5) ** 2 / squares - 2 * (1 + 1e-5)).sum(dim=1).mean()
    torch.testing.assert_close(AffineOrthogonality()(matrix), expected)


@pytest.mark.parametrize("scale", [1.0, 0.01, -3.0])
def test_gradient_is_finite_where_eigenvalues_coincide(scale: float) -> None:
    matrix = (scale * torch.eye(3))[None].requires_grad_()
    AffineOrthogonality()(matrix).backward()
    assert matrix.grad is not None
    assert matrix.grad.isfinite().all()


def test_gradient_of_a_singular_matrix_is_finite() -> None:
    matrix = torch.zeros(1, 3, 3, requires_grad=True)
    AffineOrthogonality()(matrix).backward()
    assert matrix.grad is not None
    assert matrix.grad.isfinite().all()
