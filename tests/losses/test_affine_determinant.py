from collections.abc import Callable

import pytest
import torch

from common.losses import AffineDeterminant, Regularization
from common.losses.direction import Direction
from common.networks.nets import TweenedPrediction


@pytest.mark.parametrize("name", ["000_affine_losses", "000_vtn_ops"])
def test_loss_is_that_of_the_released_code(oracle: Callable, name: str) -> None:
    recorded = oracle(name)
    matrix = torch.from_numpy(recorded["W"]) + torch.eye(3)
    assert len(matrix) * AffineDeterminant()(matrix).item() == pytest.approx(float(recorded["det_loss"]), abs=1e-4)


@pytest.mark.parametrize("matrix", [torch.eye(3), torch.zeros(3, 3), torch.diag(torch.tensor([2.0, 0, 1]))])
def test_gradient_is_finite(matrix: torch.Tensor) -> None:
    matrix = matrix[None].requires_grad_()
    AffineDeterminant()(matrix).backward()
    assert matrix.grad is not None
    assert matrix.grad.isfinite().all()


def test_it_reads_the_matrix_of_a_prediction() -> None:
    ddf = torch.zeros(1, 2, 4, 4)
    prediction = TweenedPrediction(ddf, 2 * torch.eye(2)[None], ddf, (ddf,))
    assert Regularization(AffineDeterminant(), "affine")(Direction(prediction, {})).item() == 4.5
