from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from common.losses import Direction, DisplacementSmoothness, GradientL1, Regularization

FIELDS = torch.randn(3, 1, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))


def penalty(tensor: Tensor) -> Tensor:
    return tensor.square().mean()


def test_it_takes_the_field_or_what_is_named() -> None:
    smoothness = DisplacementSmoothness()
    assert Regularization(smoothness)(Direction(FIELDS[0], {})) == smoothness(FIELDS[0])
    predicted = SimpleNamespace(ddf=FIELDS[0], gradients=torch.sigmoid(FIELDS[1]))
    assert Regularization(smoothness)(Direction(predicted, {})) == smoothness(FIELDS[0])
    assert Regularization(GradientL1(), of="gradients")(Direction(predicted, {})) == GradientL1()(predicted.gradients)


def test_fields_of_all_cascades_are_summed() -> None:
    predicted = SimpleNamespace(ddf=FIELDS[0], cascades=(FIELDS[1], FIELDS[2]))
    value = Regularization(penalty, of="cascades")(Direction(predicted, {}))
    torch.testing.assert_close(value, penalty(FIELDS[1]) + penalty(FIELDS[2]))


def test_a_matrix_of_an_affine_stem_is_read_as_well() -> None:
    predicted = SimpleNamespace(ddf=FIELDS[0], affine=2 * torch.eye(3)[None])
    determinant = Regularization(lambda matrix: 0.5 * (torch.linalg.det(matrix) - 1).square().sum(), of="affine")
    assert determinant(Direction(predicted, {})).item() == pytest.approx(24.5)


def test_what_is_not_predicted_raises() -> None:
    with pytest.raises(ValueError, match="expects a prediction with 'gradients', got one without"):
        Regularization(GradientL1(), of="gradients")(Direction(FIELDS[0], {}))
