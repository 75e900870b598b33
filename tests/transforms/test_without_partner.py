import torch

from common.transforms import PulledPoints, points_without_partner, voxels_without_partner


def pulled(outside: list[int], folded: list[int]) -> PulledPoints:
    return PulledPoints(torch.zeros(len(outside), 3), torch.tensor(outside) > 0, torch.tensor(folded) > 0)


def test_voxels_without_partner() -> None:
    assert voxels_without_partner(pulled([0, 0], [0, 0])) == ""
    expected = "3 of 4 voxels have no single place in the fixed scan, they hold the background: 2 beyond the field, "
    assert voxels_without_partner(pulled([1, 0, 1, 0], [0, 1, 0, 0])) == f"{expected}1 where the field folds"


def test_points_without_partner() -> None:
    assert points_without_partner(pulled([0, 0], [0, 0]), ["a", "b"]) == ""
    text = points_without_partner(pulled([1, 0, 1, 0], [0, 1, 0, 0]), ["a", "b", "c", "d"])
    expected = "3 of 4 points have no single place in the fixed scan, they are undefined: "
    assert text == f"{expected}a, c beyond the field; b where the field folds"
    assert points_without_partner(pulled([0, 1], [0, 0])).endswith("undefined: 2 beyond the field")
