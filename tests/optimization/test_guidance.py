import pytest
import torch

from common.optimization import UNGUIDED, Guidance, beside_described


def test_features_come_behind_the_images() -> None:
    fixed, moving = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    guidance = Guidance(torch.full((1, 2, 4, 4), 2.0), torch.full((1, 2, 4, 4), 3.0))
    first, second = guidance.beside(fixed, moving)
    assert first[0, :, 0, 0].tolist() == [0, 2, 2]
    assert second[0, :, 0, 0].tolist() == [1, 3, 3]
    assert UNGUIDED.beside(fixed, moving) == (fixed, moving)


@pytest.mark.parametrize(("centered", "expected"), [(True, [2.5, 4.5]), (False, [0.0, 2.0])])
def test_features_on_the_grid_of_the_description(centered: bool, expected: list[float]) -> None:
    features = torch.arange(16.0).view(1, 1, 4, 4)
    described = beside_described(torch.zeros(1, 3, 2, 2), features, 2, centered)
    assert described.shape == (1, 4, 2, 2)
    assert described[0, 3, 0].tolist() == expected


def test_without_features_the_description_stays() -> None:
    described = torch.zeros(1, 3, 2, 2)
    assert beside_described(described, torch.zeros(1, 0, 4, 4), 2, True) is described
