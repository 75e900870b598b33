import pytest
import torch

from common.optimization import UNGUIDED, Guidance, coarsen_features


def test_what_is_known_of_a_voxel_comes_behind_the_images() -> None:
    fixed, moving = torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 5.0)
    guidance = Guidance(torch.full((1, 2, 4, 4), 2.0), torch.full((1, 2, 4, 4), 3.0))
    first, second = guidance.beside(fixed, moving)
    assert first[0, :, 0, 0].tolist() == [0, 2, 2]
    assert second[0, :, 0, 0].tolist() == [5, 3, 3]
    first, second = UNGUIDED.beside(fixed, moving)
    assert first[0, :, 0, 0].tolist() == [0]
    assert second[0, :, 0, 0].tolist() == [5]


@pytest.mark.parametrize(("centered", "expected"), [(True, [2.5, 4.5]), (False, [0.0, 2.0])])
def test_features_on_the_grid_of_the_description(centered: bool, expected: list[float]) -> None:
    features = torch.arange(16.0).view(1, 1, 4, 4)
    coarse = coarsen_features(features, 2, centered)
    assert coarse.shape == (1, 1, 2, 2)
    assert coarse[0, 0, 0].tolist() == expected
    assert coarsen_features(torch.zeros(1, 0, 4, 4), 2, centered).shape == (1, 0, 2, 2)
