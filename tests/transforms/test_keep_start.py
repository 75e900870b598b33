"""What makes nothing more alike is left out, and said."""

import json
import logging

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.ndimage import gaussian_filter

from common.spatial import warp
from common.transforms import KeepStartd
from common.transforms.keep_start import WARNING

SCAN = torch.from_numpy(gaussian_filter(np.random.default_rng(0).normal(size=(16, 18, 20)), 2))[None].float()
DDF = torch.full((3, 16, 18, 20), 1.25)
START = json.dumps({"taken": "headers", "warnings": ["Doubtful."]})


def pair(fixed: torch.Tensor, moving: torch.Tensor, ddf: torch.Tensor) -> dict:
    return {"image": MetaTensor(torch.cat([fixed, moving])), "pred": MetaTensor(ddf), "start": START, "pair": "1_a"}


def test_keep_startd_leaves_a_scan_that_is_registered_to_itself(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="common"):
        kept = KeepStartd("pred")(pair(SCAN, SCAN, DDF))
    assert not kept["pred"].any()
    assert json.loads(kept["start"]) == {"taken": "headers", "warnings": ["Doubtful.", WARNING]}
    assert caplog.messages == [f"1_a: {WARNING}"]


def test_keep_startd_refuses_what_drives_scans_apart() -> None:
    moving = warp(SCAN[None], -DDF[None] / 2)[0]
    assert not KeepStartd("pred")(pair(SCAN, moving, -DDF))["pred"].any()


def test_keep_startd_takes_what_brings_scans_together() -> None:
    data = pair(SCAN, warp(SCAN[None], -DDF[None])[0], DDF)
    kept = KeepStartd("pred")(data)
    assert torch.equal(kept["pred"], data["pred"])
    assert kept["start"] == START


def test_keep_startd_looks_where_both_scans_are_their_own() -> None:
    """Beyond a mask one scan goes on as the other one: there every displacement makes them less alike."""
    moving = warp(SCAN[None], -DDF[None])[0]
    counts = torch.zeros_like(SCAN, dtype=torch.bool)
    counts[:, 5:11, 5:13, 5:15] = True
    data = pair(SCAN, torch.where(counts, moving, SCAN), DDF)
    assert not KeepStartd("pred")(data)["pred"].any()
    assert torch.equal(KeepStartd("pred")({**data, "counts": counts})["pred"], data["pred"])


@pytest.mark.parametrize("ddf", [torch.zeros_like(DDF), DDF * torch.nan])
def test_keep_startd_decides_about_displacements_alone(ddf: torch.Tensor) -> None:
    """No displacement needs no word, and one that is not finite is for `NativeFieldd` to refuse."""
    kept = KeepStartd("pred")(pair(SCAN, SCAN, ddf))
    assert torch.equal(kept["pred"].isnan(), ddf.isnan())
    assert kept["start"] == START


def test_keep_startd_looks_at_the_first_of_several_channels() -> None:
    other = torch.rand_like(SCAN)
    data = pair(torch.cat([SCAN, other]), torch.cat([SCAN, other.flip(1)]), DDF)
    assert not KeepStartd("pred")(data)["pred"].any()
