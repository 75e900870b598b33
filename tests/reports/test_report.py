"""The picture of a pair is seen as radiologists see it, however the scan is stored."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.reports import report, write_report
from common.reports.report import field_to_canonical, to_canonical
from common.spatial import displacement_to_world

SHAPE = (5, 6, 7)
RAS = np.diag([2.0, 3, 4, 1])
ORIENTATIONS = [[(0, 1), (1, 1), (2, 1)], [(2, -1), (0, 1), (1, -1)], [(1, 1), (0, -1), (2, -1)]]
VALUES = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
DDF = np.random.default_rng(1).normal(size=(3, *SHAPE)).astype(np.float32)


def stored(array: np.ndarray, orientation: list[tuple[int, int]]) -> MetaTensor:
    """An array of RAS voxels, kept in another order and direction of axes."""
    image = nib.Nifti1Image(array, RAS).as_reoriented(np.array(orientation))
    return MetaTensor(torch.from_numpy(np.array(image.dataobj))[None], affine=torch.from_numpy(image.affine))


def stored_field(orientation: list[tuple[int, int]]) -> MetaTensor:
    """The same field on such a grid, LPS mm: in voxels, components move and flip with their axes."""
    parts = [stored(component, orientation) for component in DDF]
    moved = [torch.empty(0)] * 3
    for axis, (new, sign) in enumerate(orientation):
        moved[new] = parts[axis].as_tensor()[0] * sign
    affine = parts[0].affine
    return MetaTensor(displacement_to_world(torch.stack(moved)[None], affine)[0], affine=affine)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_convention_to_canonical_is_ras(orientation: list[tuple[int, int]]) -> None:
    np.testing.assert_array_equal(to_canonical(stored(VALUES, orientation)), VALUES)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_convention_field_to_canonical_is_ras(orientation: list[tuple[int, int]]) -> None:
    np.testing.assert_allclose(field_to_canonical(stored_field(orientation)), DDF, atol=1e-6)


def measured(orientation: list[tuple[int, int]], **more: Any) -> dict[str, Any]:
    images = {f"{name}_image": stored(VALUES, orientation) for name in ("fixed", "unaligned", "warped")}
    metrics = {"similarity": {"before": 1.1, "after": None}, "folding_percent": 0.0, "sdlogj": 0.25}
    return {**images, "displacement_field": stored_field(orientation), "metrics": metrics, **more}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_write_report_hands_over_ras(
    orientation: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: dict[str, Any] = {}
    names = ("path", "fixed", "before", "warped", "displacement", "spacing")
    monkeypatch.setattr(
        report, "registration_report", lambda *a, **options: given.update(zip(names, a, strict=True), **options)
    )
    dice = {"dice": {"before": 0.5, "after": 0.75, "per_label": {}}}
    labels = {
        f"{name}_label": stored((VALUES > 0).astype(np.uint8), orientation) for name in ("fixed", "unaligned", "warped")
    }
    data = measured(orientation, pair="1_a_b", **labels)
    data["metrics"] |= dice
    write_report(tmp_path / "report.png", data)
    assert given["path"] == tmp_path / "report.png"
    for name in ("fixed", "before", "warped"):
        np.testing.assert_array_equal(given[name], VALUES)
        np.testing.assert_array_equal(given["labels"][name], VALUES > 0)
    np.testing.assert_allclose(given["displacement"], DDF, atol=1e-6)
    assert given["spacing"] == pytest.approx([2, 3, 4])
    assert given["title_lines"][0] == "1_a_b"
    assert given["placed"]
    assert given["figures"]["Dice"] == (0.5, 0.75)
    assert "TRE (mm)" not in given["figures"]


def test_write_report_names_scans_bundle_and_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines: list[Any] = []
    monkeypatch.setattr(report, "registration_report", lambda *_, **options: lines.append(options["title_lines"]))
    inputs = {"fixed_image": {"file": "a/f.nii.gz"}, "moving_image": {"file": "b/m.nrrd"}}
    made_of = json.dumps({"bundle": "liver", "version": "1.2", "inputs": inputs})
    data = measured(ORIENTATIONS[0], made_of=made_of)
    data["metrics"]["dice"] = {"before": 0.5, "after": 0.6, "per_label": {"1": {}, "4": {}}}
    write_report(tmp_path / "report.png", data)
    write_report(tmp_path / "report.png", measured(ORIENTATIONS[0]))
    told = "m.nrrd onto f.nii.gz  ·  liver 1.2  ·  labels 1, 4"
    assert lines == [["Registration", told], ["Registration"]]


def test_write_report_of_a_picture_has_no_letters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[str] = []
    monkeypatch.setattr("common.reports._panels.draw_letters", lambda axes, plane: drawn.append(plane.letters))
    data = measured(ORIENTATIONS[0])
    write_report(tmp_path / "report.png", data)
    assert "RLPA" in drawn
    drawn.clear()
    data["fixed_image"].meta["placed"] = False  # as `read_scan` marks a picture
    write_report(tmp_path / "report.png", data)
    assert set("".join(drawn)) == {" "}


def test_write_report_draws(tmp_path: Path) -> None:
    write_report(tmp_path / "report.png", measured(ORIENTATIONS[1]))
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
