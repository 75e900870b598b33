import pytest
import torch

from common.losses import DisplacementSmoothness


def test_translation_is_smooth() -> None:
    assert DisplacementSmoothness()(torch.ones(1, 3, 4, 5, 6)) == 0


@pytest.mark.parametrize("dims", [2, 3])
def test_stretch_costs_its_square(dims: int) -> None:
    ddf = torch.zeros(1, dims, *[4, 5, 6][:dims])
    ddf[:, 0] = 0.5 * torch.arange(5.0).view(5, *[1] * (dims - 2))  # shear along the second axis
    assert DisplacementSmoothness()(ddf).item() == pytest.approx(0.25 / dims)


def test_alternating_field_is_not_smooth() -> None:
    ddf = torch.zeros(1, 2, 6, 6)
    ddf[:, 0, ::2] = 1
    assert DisplacementSmoothness()(ddf).item() == pytest.approx(0.5)
