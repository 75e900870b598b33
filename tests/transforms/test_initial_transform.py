"""The linear start of a pair: chosen by name, refused where it leaves nothing to register."""

import json
import logging
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from common.prealignment import Start
from common.spatial import Grid
from common.transforms import CaseGrid, InitialTransformd
from common.transforms.initial_transform import overlap

KEYS = ("fixed_image", "moving_image")


def scan(values: NDArray, affine: NDArray | torch.Tensor) -> MetaTensor:
    return MetaTensor(torch.from_numpy(values.astype(np.float32))[None], affine=torch.as_tensor(affine).double())


RANDOM = gaussian_filter(np.random.default_rng(0).normal(size=(16, 14, 18)), 1) * 100
OBLIQUE = torch.eye(4).double()
OBLIQUE[:3, :3] = torch.from_numpy(Rotation.from_euler("zyx", [12, -6, 12], degrees=True).as_matrix())
OBLIQUE[:3, :3] *= torch.tensor([2.0, 3, 4]).double()
OBLIQUE[:3, 3] = torch.tensor([10.0, -20, 30])


@pytest.mark.parametrize(
    ("offset", "expected"), [((0, 0, 0), 1.0), ((8, 0, 0), 0.5), ((-8, 8, 0), 0.25), ((100, 0, 0), 0.0)]
)
def test_overlap_by_hand(offset: tuple[float, ...], expected: float) -> None:
    grid = Grid((16, 16, 16), torch.eye(4).double())
    matrix = torch.eye(4).double()
    matrix[:-1, -1] = torch.tensor(offset)
    assert overlap(grid, grid, matrix) == expected


def test_overlap_is_a_share_of_the_fixed_scan() -> None:
    small = Grid((8, 16, 16), torch.eye(4).double())
    large = Grid((16, 16, 16), torch.eye(4).double())
    assert overlap(large, small, torch.eye(4).double()) == 0.5
    assert overlap(small, large, torch.eye(4).double()) == 1


def test_regions_need_a_grid_with_a_size() -> None:
    with pytest.raises(ValueError, match="initial_transform region needs a grid with a spatial_size"):
        InitialTransformd(KEYS, "region", CaseGrid(2.0))


@pytest.mark.parametrize(("size", "words"), [(None, "rigid, affine"), ([8, 8, 8], "affine, region")])
def test_other_words_are_told_before_anything_is_read(size: list[int] | None, words: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"expects one of none, .*{words} or an ITK file, got regon"):
        InitialTransformd(("fixed_image", "moving_image"), "regon", CaseGrid(spatial_size=size))


def test_scans_without_an_organ_are_aligned_whole(caplog: pytest.LogCaptureFixture) -> None:
    data = {key: scan(RANDOM, OBLIQUE) for key in KEYS}
    with caplog.at_level(logging.WARNING, logger="common"):
        started = InitialTransformd(KEYS, "region", CaseGrid(None, (8, 8, 8), region="liver", stretch=True))(data)
    assert "No liver was found in one of the scans: they are aligned whole." in caplog.text
    assert json.loads(started["start"])["taken"] == "headers"


def test_one_scan_twice_stays_where_it_is_by_its_region() -> None:
    data = {key: scan(RANDOM, OBLIQUE) for key in KEYS}
    started = InitialTransformd(KEYS, "region", CaseGrid(None, (8, 8, 8), stretch=True))(data)
    torch.testing.assert_close(started["initial_transform"], torch.eye(4).double())


FAR = OBLIQUE.clone()
FAR[0, 3] += 500


def test_initial_transformd_rejects_scans_that_do_not_overlap() -> None:
    data = {"fixed_image": scan(RANDOM, OBLIQUE), "moving_image": scan(RANDOM, FAR)}
    with pytest.raises(
        ValueError, match=r"do not overlap in space .* choose initial_transform affine, center or moments"
    ):
        InitialTransformd(KEYS, "none")(data)


@pytest.mark.parametrize("kind", ["center", "moments"])
def test_initial_transformd_brings_scans_together(kind: str) -> None:
    """500 mm to the right in RAS are -500 mm in LPS."""
    data = {"fixed_image": scan(RANDOM, OBLIQUE), "moving_image": scan(RANDOM, FAR), "pair": "kept"}
    done = InitialTransformd(KEYS, kind)(data)
    expected = torch.eye(4).double()
    expected[0, 3] = -500
    torch.testing.assert_close(done["initial_transform"], expected)
    assert done["pair"] == "kept"


def test_initial_transformd_reads_a_file(tmp_path: Path) -> None:
    """A file brings scans together that their headers keep apart; one that does not is refused."""
    path = tmp_path / "a.tfm"
    data = {"fixed_image": scan(RANDOM, OBLIQUE), "moving_image": scan(RANDOM, FAR)}
    head = "#Insight Transform File V1.0\nTransform: TranslationTransform_double_3_3\n"
    text = head + "Parameters: {} 0 0\nFixedParameters: \n"
    path.write_text(text.format(-498))
    assert InitialTransformd(KEYS, str(path))(data)["initial_transform"][:, 3].tolist() == [-498, 0, 0, 1]
    path.write_text(text.format(498))
    with pytest.raises(ValueError, match="do not overlap in space"):
        InitialTransformd(KEYS, str(path))(data)


@pytest.mark.parametrize("masked", [False, True])
def test_initial_transformd_hands_over_the_masks(masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    find = Mock(return_value=Start(torch.eye(4).double(), {}))
    monkeypatch.setattr("common.transforms.initial_transform.initial_transform", find)
    data = {"fixed_image": scan(RANDOM, OBLIQUE), "moving_image": scan(RANDOM, OBLIQUE)}
    if masked:
        data["moving_mask"] = scan(RANDOM > 0, OBLIQUE)
    InitialTransformd(KEYS, "rigid")(data)
    kind, fixed_mask, moving_mask = find.call_args.args[4:]
    assert kind == "rigid"
    assert fixed_mask is None
    assert (moving_mask is not None) == masked
    assert not masked or torch.equal(moving_mask[0, 0], torch.from_numpy(RANDOM > 0).float())


def test_initial_transformd_brings_together_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """By default, scans that the headers put apart are no error."""
    data = {"fixed_image": scan(RANDOM, OBLIQUE), "moving_image": scan(RANDOM, FAR), "pair": "two"}
    with caplog.at_level("WARNING", logger="common"):
        done = InitialTransformd(KEYS)(data)
    expected = torch.eye(4).double()
    expected[0, 3] = -500
    torch.testing.assert_close(done["initial_transform"], expected, atol=0.5, rtol=0)
    record = json.loads(done["start"])
    assert record["likeness"]["headers"] == -1
    assert any("two: The headers put the scans apart: they were brought together" in text for text in caplog.messages)
