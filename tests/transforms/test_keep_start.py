"""Scans that agree stay where they are, and it is said."""

import json
import logging

import pytest
import torch
from monai.data import MetaTensor

from common.transforms import KeepStartd
from common.transforms.keep_start import WARNING

SCAN = torch.rand(1, 6, 7, 8, generator=torch.Generator().manual_seed(0)) * 50 - 20
DDF = torch.full((3, 6, 7, 8), 1.25)
START = json.dumps({"taken": "headers", "warnings": ["Doubtful."]})


def pair(fixed: torch.Tensor, moving: torch.Tensor) -> dict:
    return {"image": MetaTensor(torch.cat([fixed, moving])), "pred": MetaTensor(DDF), "start": START, "pair": "1_a"}


@pytest.mark.parametrize("rounding", [0.0, 0.04])
def test_keep_startd_leaves_a_scan_that_is_registered_to_itself(
    rounding: float, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="common"):
        kept = KeepStartd("pred")(pair(SCAN, SCAN + rounding))
    assert not kept["pred"].any()
    assert json.loads(kept["start"]) == {"taken": "headers", "warnings": ["Doubtful.", WARNING]}
    assert caplog.messages == [f"1_a: {WARNING}"]


def test_keep_startd_keeps_the_grid_of_what_it_empties() -> None:
    affine = torch.diag(torch.tensor([2.0, 3, 4, 1])).double()
    data = {**pair(SCAN, SCAN), "refinement": MetaTensor(DDF, affine=affine)}
    kept = KeepStartd(("pred", "refinement"))(data)
    assert not kept["refinement"].any()
    torch.testing.assert_close(kept["refinement"].affine, affine)


def test_keep_startd_leaves_everything_else_to_the_registration() -> None:
    """One voxel that differs is enough."""
    other = SCAN.clone()
    other[0, 3, 3, 3] += 1
    kept = KeepStartd("pred")(pair(SCAN, other))
    assert torch.equal(kept["pred"].as_tensor(), DDF)
    assert kept["start"] == START


def test_keep_startd_looks_at_all_channels() -> None:
    both = torch.cat([SCAN, SCAN])
    assert not KeepStartd("pred")(pair(both, both))["pred"].any()
    assert KeepStartd("pred")(pair(both, torch.cat([SCAN, SCAN.flip(1)])))["pred"].any()


@pytest.mark.parametrize("kind", ["features", "points"])
def test_keep_startd_lets_guides_that_differ_register(kind: str) -> None:
    guide = torch.arange(12.0).view(4, 3)
    alike, apart = (
        {**pair(SCAN, SCAN), f"fixed_{kind}": guide, f"moving_{kind}": guide + shift} for shift in (0.0, 1.0)
    )
    assert not KeepStartd("pred")(alike)["pred"].any()
    assert torch.equal(KeepStartd("pred")(apart)["pred"].as_tensor(), DDF)
