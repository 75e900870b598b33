import json
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from common.engines import Segmenter, SegmenterSettings, merge_true_labels
from common.networks.nets import SegmentationUNet

SETTINGS = {"windows": [[100, 50]], "spacing": [2.0, 2.0, 2.0], "spatial_size": [16, 16, 16]}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    net = SegmentationUNet(classes=2, multiplier=1, convolutions=(1,))
    torch.save(net.state_dict(), tmp_path / "model.pt")
    SegmenterSettings(tmp_path, **SETTINGS).write()
    return tmp_path / "model.pt"


def thresholding(checkpoint: Path) -> Segmenter:
    """Organ 1 is what lies above the middle of the window."""
    segmenter = Segmenter(checkpoint)
    vars(segmenter)["net"] = lambda image: 0.05 * torch.cat([0.5 - image, image - 0.5], dim=1)  # nearly linear
    return segmenter


def scan_of(shape: tuple[int, ...], affine: torch.Tensor) -> tuple[MetaTensor, torch.Tensor]:
    """A bright block in a dark scan, and its mask."""
    mask = torch.zeros(1, *shape, dtype=torch.int32)
    mask[0, 2:-3, 4:-2, 6:-4] = 1
    return MetaTensor(100.0 * mask, affine=affine), mask


@pytest.mark.parametrize(
    "affine",
    [
        torch.diag(torch.tensor([2.0, 2, 2, 1])),
        torch.tensor([[0.0, -1.7, 0, 30], [1.1, 0, 0, -20], [0, 0, -2.9, 5], [0, 0, 0, 1]]),
    ],
    ids=["as trained", "turned and anisotropic"],
)
def test_label_map_lies_on_the_scan(checkpoint: Path, affine: torch.Tensor) -> None:
    scan, mask = scan_of((18, 20, 22), affine.double())
    label = thresholding(checkpoint)(scan)
    assert torch.equal(label.affine, scan.affine)
    assert label.dtype == torch.int32
    assert (label.as_tensor() != mask).sum() < 0.02 * mask.sum()  # a flip would be 0.07 or more


def test_crumbs_are_removed(checkpoint: Path) -> None:
    scan, mask = scan_of((18, 20, 22), torch.diag(torch.tensor([2.0, 2, 2, 1])).double())
    scan[0, 0, 0, 0] = 100
    assert torch.equal(thresholding(checkpoint)(scan).as_tensor(), mask)


def test_settings_given_win_over_those_beside_the_checkpoint(checkpoint: Path) -> None:
    assert Segmenter(checkpoint, spacing=None).inferer.roi_size == [16, 16, 16]
    assert Segmenter(checkpoint, spatial_size=[8, 8, 8]).inferer.roi_size == [8, 8, 8]
    (checkpoint.parent / "settings.json").unlink()
    assert Segmenter(checkpoint).inferer.roi_size == [144, 144, 144]


@pytest.mark.parametrize("spacing", [3, 3.0])
def test_segmenter_takes_one_spacing_for_all_axes(checkpoint: Path, spacing: float) -> None:
    """As a training does, whose settings it reads."""
    SegmenterSettings(checkpoint.parent, **SETTINGS | {"spacing": spacing}).write()
    settings: Any = Segmenter(checkpoint).provenance["settings"]
    assert settings["spacing"] == [3.0, 3.0, 3.0]


def test_settings_of_an_earlier_version_are_read(checkpoint: Path) -> None:
    old = {"pixdim" if name == "spacing" else name: value for name, value in SETTINGS.items()}
    (checkpoint.parent / "settings.json").write_text(json.dumps(old | {"pixdim": [3.0, 2.0, 1.0]}))
    assert Segmenter(checkpoint).provenance["settings"] == SETTINGS | {"spacing": [3.0, 2.0, 1.0]}


def test_settings_are_written_as_json(tmp_path: Path) -> None:
    SegmenterSettings(tmp_path / "new", **SETTINGS).write()
    assert json.loads((tmp_path / "new" / "settings.json").read_text()) == SETTINGS


def test_network_itself_gives_every_organ_a_chance(checkpoint: Path) -> None:
    scan, _ = scan_of((18, 20, 22), torch.diag(torch.tensor([2.0, 2, 2, 1])).double())
    label = Segmenter(checkpoint)(scan)
    assert label.shape == scan.shape
    assert set(label.unique().tolist()) <= {0, 1}


def test_training_checkpoint_will_do(checkpoint: Path) -> None:
    weights = torch.load(checkpoint, weights_only=True)
    torch.save({"trainer": {}, "objects": {"network": weights}}, checkpoint)
    assert Segmenter(checkpoint).organ_count == 1


def test_wrong_number_of_windows_raises(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.pt takes 1 windows, got 2: \[\[400, 40\], \[800, 100\]\]"):
        Segmenter(checkpoint, windows=[[400, 40], [800, 100]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"windows": 400}, r"'windows' to be \[\[width, level\], \.\.\.\], got 400"),
        ({"windows": [[0, 40]]}, r"'windows' to be \[\[width, level\], \.\.\.\], got \[\[0, 40\]\]"),
        ({"windows": [[400], [1, 2]]}, r"'windows' to be"),
        ({"spacing": "fine"}, r"'spacing' to be three lengths in mm, got fine"),
        ({"spacing": [1, 0, 1]}, r"'spacing' to be three lengths in mm, got \[1, 0, 1\]"),
        ({"spatial_size": [16, 16]}, r"'spatial_size' to be three numbers, got \[16, 16\]"),
    ],
)
def test_unusable_settings_raise(checkpoint: Path, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Segmenter(checkpoint, **settings)


def test_damaged_settings_raise(checkpoint: Path) -> None:
    checkpoint.with_name("settings.json").write_text("{")
    with pytest.raises(ValueError, match=r"settings\.json is not JSON: Expecting"):
        Segmenter(checkpoint)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, FileNotFoundError, r"There are no weights at .*model\.pt"),
        (b"text", ValueError, r"model\.pt holds no weights: it is damaged"),
        ({"a": torch.ones(1)}, ValueError, r"expects weights of a SegmentationUNet, got others"),
    ],
)
def test_unusable_checkpoint_raises(tmp_path: Path, content: object, error: type[Exception], message: str) -> None:
    path = tmp_path / "model.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(error, match=message):
        Segmenter(path)


def label_map_of(values: list[int]) -> MetaTensor:
    return MetaTensor(torch.tensor(values, dtype=torch.int32).reshape(1, -1, 1, 1), affine=torch.eye(4))


def test_true_labels_win_for_the_labels_they_hold() -> None:
    """Label 1 is where the truth has it, and nowhere else; 2 stays but where the truth has 1."""
    merged = merge_true_labels(label_map_of([0, 1, 1, 2, 2, 0]), label_map_of([0, 0, 1, 1, 0, 1]))
    assert merged.flatten().tolist() == [0, 0, 1, 1, 2, 1]
    assert merged.meta["stored_dtype"] == "uint8"


def test_empty_truth_changes_nothing() -> None:
    predicted = label_map_of([0, 1, 2])
    assert torch.equal(merge_true_labels(predicted, label_map_of([0, 0, 0])), predicted)


def test_truth_of_another_shape_raises() -> None:
    with pytest.raises(ValueError, match=r"'truth' of shape \(3, 1, 1\) of its scan, got \(2, 1, 1\)"):
        merge_true_labels(label_map_of([0, 1, 2]), label_map_of([0, 1]))
