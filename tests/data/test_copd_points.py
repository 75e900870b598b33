"""The shared tensors of key points become files of points."""

from pathlib import Path

import pytest
import torch

from common.data import prepare, read_pairs
from common.io import InputError, read_points, read_table

SHARED = Path(__file__).parents[3] / "shared" / "data" / "copd_lung_points"


def test_points_come_in_mm(tmp_path: Path) -> None:
    clouds = {"kpts_fix": [torch.tensor([[1.0, -1.0, 0.5]])], "kpts_mov": [torch.zeros(2, 3)]}
    torch.save({"copd": clouds}, tmp_path / "keypoints.pth")
    torch.save({f"lm_copd_{side}": torch.zeros(1, 3, 3) for side in ("exh", "insp")}, tmp_path / "landmarks.pth")
    assert prepare("copd_points", str(tmp_path), str(tmp_path / "out")).startswith("1 pairs -> ")
    [pair] = read_pairs(tmp_path / "out" / "pairs.csv")
    assert read_points(pair["fixed_cloud"]).positions.tolist() == [[84.0, -96.0, 130.0]]
    assert len(read_points(pair["moving_cloud"]).positions) == 2
    assert len(read_points(pair["moving_keypoints"]).positions) == 3


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared key points are not there")
def test_landmarks_are_as_far_apart_as_the_paper_says(tmp_path: Path) -> None:
    prepare("copd_points", str(SHARED), str(tmp_path))
    errors = []
    for row in read_table(tmp_path / "pairs.csv")[1]:
        fixed, moving = (read_points(tmp_path / row[f"{side}_keypoints"]).positions for side in ("fixed", "moving"))
        errors.append((fixed - moving).norm(dim=1).mean())
    assert len(errors) == 10
    assert torch.stack(errors).mean().item() == pytest.approx(11.99, abs=0.005)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared key points are not there")
def test_axes_are_those_of_the_patient(tmp_path: Path) -> None:
    """Two lungs beside one another, apart where the spine and the heart are, narrow at the top."""
    prepare("copd_points", str(SHARED), str(tmp_path))
    rows = read_table(tmp_path / "pairs.csv")[1]
    points = torch.cat([read_points(tmp_path / row["fixed_cloud"]).positions for row in rows])
    left, right = (points[points[:, 0] * side > 0] for side in (1, -1))  # x grows to the left
    assert min(len(left), len(right)) > 0.8 * max(len(left), len(right))
    middle = points[:, 0].abs() < 10
    assert middle.float().mean() < 0.05
    assert len(right) > len(left)  # the heart lies left: it takes room there, and keeps the left lung further away
    assert left[:, 0].quantile(0.02) > -right[:, 0].quantile(0.98)
    top, bottom = (points[points[:, 2] * side > 60][:, 0].std() for side in (1, -1))  # z grows upwards
    assert top < 0.8 * bottom
    back, front = (points[points[:, 1] * side > 30][:, 0].abs().quantile(0.02) for side in (1, -1))
    assert back > 1.3 * front  # y grows to the back: the spine is thicker than what holds the lungs apart at the front
    exhaled, inhaled = (
        torch.cat([read_points(tmp_path / row[f"{side}_keypoints"]).positions for row in rows])
        for side in ("fixed", "moving")
    )
    assert ((inhaled - exhaled).std(0).argmax()) == 2  # most of the breath is along z


def test_other_content_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no .*keypoints\.pth"):
        prepare("copd_points", str(tmp_path), str(tmp_path / "out"))
    for name in ("keypoints.pth", "landmarks.pth"):
        torch.save({"other": torch.zeros(1)}, tmp_path / name)
    with pytest.raises(InputError, match=r"is expected to hold keypoints\.pth and landmarks\.pth as shared"):
        prepare("copd_points", str(tmp_path), str(tmp_path / "out"))
    (tmp_path / "keypoints.pth").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"keypoints\.pth cannot be read as tensors of PyTorch"):
        prepare("copd_points", str(tmp_path), str(tmp_path / "out"))
