"""What is written of a cycle once its phases are registered."""

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image, ImageSequence

from common.data import cine_pairs
from common.reports import write_cine

AFFINE = np.diag([-2.0, -1.5, 8.0, 1.0])
SHAPE = (40, 50, 3)
PIXEL = 3.0  # mm2


def disk(radius: float, depth: int = SHAPE[2]) -> np.ndarray:
    """A disk in every slice but the first."""
    x, y = np.indices(SHAPE[:2])
    flat = np.hypot(2.0 * (x - 20), 1.5 * (y - 25)) < radius
    stack = np.repeat(flat[..., None], depth, axis=2)
    stack[..., 0] &= depth == 1
    return stack.astype(np.uint8)


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return str(path)


@pytest.fixture
def cine(tmp_path: Path) -> dict[str, str]:
    """Four phases of a shrinking disk; those at 0 and 2 are annotated."""
    disks = [disk(radius) for radius in (20, 18, 14, 16)]
    images = np.stack([100 * each + np.indices(SHAPE).sum(0) for each in disks], axis=-1)
    labels = np.stack([each * (t in (0, 2)) for t, each in enumerate(disks)], axis=-1)
    return {
        "cine": save(tmp_path / "cine.nii.gz", images.astype(np.int16)),
        "label": save(tmp_path / "label.nii.gz", labels),
    }


def register(pairs: list[dict], folder: Path, labeled: bool = True) -> None:
    """Leave behind what a registration would: a disk of the radius 10 + phase."""
    for pair in pairs:
        phase = pair["moving_phase"] if len({p["fixed_phase"] for p in pairs}) == 1 else pair["fixed_phase"]
        save(folder / pair["pair"] / "warped_image.nii.gz", 100 * disk(10 + phase).astype(np.int16) + 1)
        if labeled and "moving_label" in pair:
            save(folder / pair["pair"] / "warped_label.nii.gz", disk(10 + phase))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "label_area.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_phase_carried_to_all(cine: dict[str, str], tmp_path: Path) -> None:
    pairs = cine_pairs(**cine)
    register(pairs, tmp_path / "out")
    write_cine(pairs, tmp_path / "out")
    rows = table(tmp_path / "out")
    assert [row["phase"] for row in rows] == ["0", "1", "2", "3"]
    expected = [disk(radius).sum() * PIXEL for radius in (20, 11, 12, 13)]
    assert [float(row["registered_mm2"]) for row in rows] == expected
    assert [float(row["registered_ml"]) for row in rows] == pytest.approx([n * 8 / 1000 for n in expected], abs=0.01)
    assert [row["annotated_mm2"] for row in rows] == [
        f"{disk(20).sum() * PIXEL:.2f}",
        "",
        f"{disk(14).sum() * 3:.2f}",
        "",
    ]
    assert (tmp_path / "out" / "label_area.png").stat().st_size > 5_000
    with Image.open(tmp_path / "out" / "cine.gif") as film:
        assert len(list(ImageSequence.Iterator(film))) == 4
        assert film.info["loop"] == 0
        first = np.asarray(film.convert("RGB")).astype(int)
        film.seek(2)
        third = np.asarray(film.convert("RGB")).astype(int)
    yellow = (first[..., 0] > 180) & (first[..., 2] < 120)
    assert yellow.any()  # the label's outline
    assert np.abs(first - third).max() > 100


def test_all_phases_registered_to_one(cine: dict[str, str], tmp_path: Path) -> None:
    pairs = cine_pairs(**cine, fixed_phase=1)
    register(pairs, tmp_path / "out")
    write_cine(pairs, tmp_path / "out")
    rows = {row["phase"]: row for row in table(tmp_path / "out")}
    assert set(rows) == {"0", "2"}  # what is not annotated has no label to be registered
    assert float(rows["2"]["registered_mm2"]) == disk(12).sum() * PIXEL
    assert float(rows["2"]["annotated_mm2"]) == disk(14).sum() * PIXEL
    with Image.open(tmp_path / "out" / "cine.gif") as film:
        assert len(list(ImageSequence.Iterator(film))) == 4


def test_a_single_slice_without_labels_has_a_film(tmp_path: Path) -> None:
    image = np.stack([100 * disk(radius, 1) + 1 for radius in (20, 18, 14)], axis=-1).astype(np.int16)
    pairs = cine_pairs(save(tmp_path / "cine.nii.gz", image))
    for pair in pairs:
        save(tmp_path / "out" / pair["pair"] / "warped_image.nii.gz", image[..., 0, 0])
    for name in ("label_area.csv", "label_area.png"):  # of an earlier cine, which had labels
        (tmp_path / "out" / name).touch()
    write_cine(pairs, str(tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_file()} == {"cine.gif"}


def test_an_oblique_cine_is_shown_slice_by_slice(cine: dict[str, str], tmp_path: Path) -> None:
    """Slices along the patient's right, counted backwards in the canonical order."""
    turned = np.array([[0.1, 0.1, -8, 0], [2, 0.1, 0, 0], [0.1, -1.5, 0, 0], [0, 0, 0, 1]])
    paths = {
        name: save(tmp_path / f"turned_{name}.nii.gz", np.asanyarray(nib.load(path).dataobj), turned)
        for name, path in cine.items()
    }
    pairs = cine_pairs(**paths)
    for pair in pairs:
        for kind in ("image", "label"):
            save(
                tmp_path / "out" / pair["pair"] / f"warped_{kind}.nii.gz",
                disk(12) * (9 if kind == "image" else 1),
                turned,
            )
    write_cine(pairs, tmp_path / "out")
    assert float(table(tmp_path / "out")[1]["registered_mm2"]) == pytest.approx(disk(12).sum() * PIXEL, rel=0.02)


def test_other_pairs_have_no_film(cine: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = cine_pairs(**cine)
    for others in (
        [],
        pairs[:1],
        [{"fixed_image": "a.nii", "moving_image": "b.nii", "pair": name} for name in "ab"],
        [*pairs, {**pairs[0], "fixed_image": "other.nii"}],
        [*pairs, {**pairs[0], "moving_phase": 3}],
    ):
        write_cine(others, tmp_path / "out")
    monkeypatch.setenv("RANK", "1")
    write_cine(pairs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_result_is_told(cine: dict[str, str], tmp_path: Path) -> None:
    pairs = cine_pairs(**cine)
    register(pairs[1:], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*phase_01_from_00.warped_image\.nii\.gz"):
        write_cine(pairs, tmp_path / "out")
