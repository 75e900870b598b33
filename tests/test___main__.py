"""`python -m common`: fields applied and compared, results compared."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import fire
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from monai.data import MetaTensor

from common.__main__ import apply, compare, compare_results, difference_maps, label, learning_curves, pack
from common.engines import SegmenterSettings
from common.io import (
    Field,
    format_points,
    grid_of,
    read_points,
    read_scan,
    save_scan,
    save_text,
    write_field,
    write_table,
)
from common.networks.nets import SegmentationUNet
from common.spatial import Grid, displacement_to_world
from common.transforms import move_points, pull_points, warp_scan

SHAPE = (9, 8, 10)
AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()
MOVING_AFFINE = AFFINE @ torch.diag(torch.tensor([-1.0, 1, 1, 1]).double())
MOVING_AFFINE[:3, 3] += AFFINE[:3, 0] * (SHAPE[0] - 1)
POINTS = torch.tensor([[2.0, -28.0, -24.0], [5.0, -30.5, -22.0]]).double()


class Files(NamedTuple):
    folder: Path
    field: str
    image: str
    label: str
    points: str
    values: Field

    def output(self, name: str) -> str:
        return str(self.folder / "out" / name)


def world(ddf: torch.Tensor, affine: torch.Tensor) -> Field:
    """A field given in voxels of its grid."""
    grid = grid_of(MetaTensor(ddf, affine=affine))
    return Field(displacement_to_world(ddf[None], grid.affine), grid, affine if len(grid.shape) == 2 else None)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A smooth field, and a moving scan, label map and points, the scan with a flipped axis."""
    folder = tmp_path_factory.mktemp("apply")
    grid = torch.from_numpy(np.indices(SHAPE)).float()
    ddf = torch.stack([0.8 * torch.sin(0.3 * grid.sum(0) + c) for c in range(3)])
    field = world(ddf, AFFINE)
    image = MetaTensor(50 * torch.sin(grid.sum(0, keepdim=True) / 3) + 60, affine=MOVING_AFFINE)
    write_field(folder / "field.nii.gz", field)
    for name, values, dtype in (("image", image, "float32"), ("label", (image > 60) + 1.0, "uint8")):
        scan = MetaTensor(values, affine=MOVING_AFFINE, meta={"stored_dtype": dtype})
        save_scan(folder / f"{name}.nii.gz", scan)
    save_text(folder / "points.csv", format_points("points.csv", POINTS))
    names = ("field.nii.gz", "image.nii.gz", "label.nii.gz", "points.csv")
    paths = {name.split(".")[0]: str(folder / name) for name in names}
    return Files(folder, paths["field"], paths["image"], paths["label"], paths["points"], field)


def test_apply_to_an_image(files: Files) -> None:
    output = files.output("image.nii.gz")
    assert apply(files.field, output, image=files.image) == f"image of the moving scan -> {output}"
    expected = warp_scan(read_scan(files.image), files.values)
    torch.testing.assert_close(read_scan(output).as_tensor(), expected.as_tensor(), atol=1e-3, rtol=0)
    torch.testing.assert_close(read_scan(output).affine, AFFINE)


def test_apply_to_a_label_map(files: Files) -> None:
    output = files.output("label.nii")
    assert apply(files.field, output, label=files.label) == f"label of the moving scan -> {output}"
    expected = warp_scan(read_scan(files.label, label=True), files.values, "nearest")
    assert torch.equal(read_scan(output, label=True).as_tensor(), expected.as_tensor())
    assert read_scan(output).meta["stored_dtype"] == "uint8"


@pytest.mark.parametrize("name", ["points.csv", "points.fcsv", "points.mrk.json"])
def test_apply_to_points(name: str, files: Files) -> None:
    """Points of the moving scan go to the fixed one, as the image does."""
    output = files.output(name)
    assert apply(files.field, output, points=files.points) == f"points of the moving scan -> {output}"
    moved = read_points(output).positions
    torch.testing.assert_close(moved, pull_points(POINTS, files.values).points, atol=1e-5, rtol=0)
    assert (moved - POINTS).norm(dim=1).min() > 0.1


def test_apply_inverse_to_points(files: Files) -> None:
    output = files.output("inverse.csv")
    assert apply(files.field, output, points=files.points, inverse=True) == f"points of the fixed scan -> {output}"
    torch.testing.assert_close(read_points(output).positions, move_points(POINTS, files.values), atol=1e-5, rtol=0)


def test_apply_inverse_after_forward_returns_the_points(files: Files) -> None:
    there, back = files.output("there.csv"), files.output("back.csv")
    apply(files.field, there, points=files.points)
    apply(files.field, back, points=there, inverse=True)
    assert (read_points(back).positions - POINTS).norm(dim=1).max() < 0.05


def test_apply_inverse_after_forward_returns_the_image(files: Files) -> None:
    there, back = files.output("there.nii.gz"), files.output("back.nii.gz")
    apply(files.field, there, image=files.image)
    apply(files.field, back, image=there, inverse=True, reference=files.image)
    inside = (0, *(slice(2, -2),) * 3)
    original, returned = read_scan(files.image), read_scan(back)
    torch.testing.assert_close(returned.affine, original.affine)
    difference = (returned[inside] - original[inside]).abs()
    assert difference.mean() < 2.5  # of 100: interpolated twice
    assert difference.max() < 15


def test_apply_inverse_gives_the_grid_of_the_field_by_default(files: Files) -> None:
    output = files.output("inverse.nii.gz")
    assert apply(files.field, output, image=files.image, inverse=True).startswith("image of the fixed scan")
    torch.testing.assert_close(read_scan(output).affine, AFFINE)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "apply expects one of --image, --label and --points, got none"),
        ({"image": "a", "label": "b"}, "apply expects one of --image, --label and --points, got image, label"),
        ({"image": "absent.nii.gz"}, r"There is no file absent\.nii\.gz"),
        ({"points": "absent.csv"}, r"There is no file absent\.csv"),
    ],
)
def test_apply_rejects(given: dict[str, Any], message: str, files: Files) -> None:
    output = files.output("rejected.csv" if "points" in given else "rejected.nii.gz")
    with pytest.raises(SystemExit, match=rf"^Error: {message}"):
        apply(files.field, output, **given)
    assert not Path(output).exists()


@pytest.mark.parametrize(
    ("given", "output", "endings"),
    [
        ("points", "a.nii.gz", r"\.csv, \.fcsv or \.mrk\.json"),
        ("points", "a.json", r"\.csv, \.fcsv or \.mrk\.json"),
        ("image", "a.csv", r"\.nii\.gz or \.nii"),
        ("label", "a.mrk.json", r"\.nii\.gz or \.nii"),
    ],
)
def test_apply_rejects_endings_of_another_kind(given: str, output: str, endings: str, files: Files) -> None:
    path = files.output(output)
    with pytest.raises(SystemExit, match=rf"^Error: --output is expected to end in {endings}, got {path}\.$"):
        apply(files.field, path, **{given: getattr(files, given)})
    assert not Path(path).exists()


@pytest.mark.parametrize("name", ["named.csv", "named.fcsv", "NAMED.MRK.JSON"])
@pytest.mark.parametrize("inverse", [True, False])
def test_apply_keeps_names_and_marks_points_beyond_the_field(name: str, inverse: bool, files: Files) -> None:
    points = torch.cat([POINTS, torch.tensor([[900.0, 0, 0], [torch.nan] * 3])])
    labels = ("apex", "base, left", "far", "unseen")
    save_text(files.folder / name, format_points(name, points, labels))
    output = files.output(name)
    text = apply(files.field, output, points=str(files.folder / name), inverse=inverse)
    side = "moving" if inverse else "fixed"
    assert f"1 of 4 points have no single place in the {side} scan, they are undefined: far beyond the field" in text
    assert text.endswith("and here: unseen.")
    moved = read_points(output)
    assert moved.labels == labels
    assert moved.undefined == ["far", "unseen"]


def test_apply_inverse_marks_voxels_where_the_field_folds(files: Files, tmp_path: Path) -> None:
    """Along the third axis it goes forth, back and forth again, to 0, 2, 3.5, 3, 2.5, 4, 6, 7, 8, 9."""
    ddf = torch.zeros(3, *SHAPE)
    ddf[2] = torch.tensor([0.0, 1.0, 1.5, 0.0, -1.5, -1.0, 0.0, 0.0, 0.0, 0.0])
    write_field(tmp_path / "field.nii.gz", world(ddf, AFFINE))
    ones = MetaTensor(torch.ones(1, *SHAPE), affine=AFFINE, meta={"stored_dtype": "uint8"})
    save_scan(tmp_path / "ones.nii.gz", ones)
    output = str(tmp_path / "out.nii.gz")
    text = apply(str(tmp_path / "field.nii.gz"), output, label=str(tmp_path / "ones.nii.gz"), inverse=True)
    assert text.splitlines()[1] == (
        "72 of 720 voxels have no single place in the fixed scan, they hold the background: 72 where the field folds."
    )
    written = read_scan(output, label=True)[0]
    assert (written[..., 3] == 0).all()
    assert written.sum() == 720 - 72


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("place", [True, False])
def test_apply_keeps_the_place_and_the_axes_of_a_slice(inverse: bool, place: bool, tmp_path: Path) -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 8.0, 1.0])).double()
    affine[:3, 3] = torch.tensor([10.0, 20.0, 33.0])
    if not place:
        affine[2] = torch.tensor([0.0, 0.0, 1.0, 0.0])
    write_field(tmp_path / "field.nii.gz", world(torch.full((2, 8, 9), 0.3), affine))
    scan = MetaTensor(torch.rand(1, 8, 9), affine=affine, meta={"stored_dtype": "float32", "one_slice": True})
    save_scan(tmp_path / "scan.nii.gz", scan)
    apply(str(tmp_path / "field.nii.gz"), str(tmp_path / "a.nii"), image=str(tmp_path / "scan.nii.gz"), inverse=inverse)
    written = sitk.ReadImage(str(tmp_path / "a.nii"))
    assert written.GetSize() == (8, 9, 1)
    assert written.GetOrigin() == pytest.approx((-10, -20, 33 if place else 0))
    assert written.GetSpacing() == pytest.approx((2, 3, 8 if place else 1))


def test_apply_rejects_other_image_formats(files: Files) -> None:
    with pytest.raises(SystemExit, match=r"^Error: --output is expected to end in \.nii\.gz or \.nii, got a\.png\."):
        apply(files.field, "a.png", image=files.image)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"inverse": "abc"}, "--inverse takes no value"),
        ({"inverse": 0}, "--inverse takes no value"),
        ({"reference": "absent.nii"}, "--reference is for scans carried back: give --inverse"),
    ],
)
def test_apply_takes_no_option_that_it_would_not_follow(given: dict[str, Any], message: str, files: Files) -> None:
    with pytest.raises(SystemExit, match=f"^Error: {message}"):
        apply(files.field, files.output("a.nii.gz"), image=files.image, **given)
    assert not Path(files.output("a.nii.gz")).exists()


def test_apply_rejects_what_is_no_field(files: Files) -> None:
    with pytest.raises(SystemExit, match=r"^Error: .*image\.nii\.gz is expected to hold one vector per voxel"):
        apply(files.image, files.output("a.nii.gz"), image=files.image)


def test_apply_rejects_a_folder_blocked_by_a_file(files: Files) -> None:
    with pytest.raises(SystemExit, match=r"^Error: .*points\.csv.* cannot be written"):
        apply(files.field, f"{files.points}/a.nii.gz", image=files.image)


def test_compare_a_field_with_itself(files: Files) -> None:
    assert compare(files.field, files.field) == {
        "mean_mm": 0,
        "median_mm": 0,
        "p95_mm": 0,
        "max_mm": 0,
        "covered_percent": 100,
    }


def constant(vector: tuple[float, ...], shape: tuple[int, ...] = SHAPE, affine: torch.Tensor = AFFINE) -> Field:
    displacement = torch.tensor(vector).view(1, -1, *[1] * len(shape)).expand(1, -1, *shape).clone()
    return Field(displacement, Grid(shape, affine))


def test_compare_by_hand(files: Files, tmp_path: Path) -> None:
    write_field(tmp_path / "a.nii.gz", constant((1.0, 2.0, 3.0)))
    write_field(tmp_path / "b.nii.gz", constant((3.0, 5.0, 9.0)))
    result = compare(str(tmp_path / "a.nii.gz"), str(tmp_path / "b.nii.gz"))
    assert [result[f"{name}_mm"] for name in ("mean", "median", "p95", "max")] == [7, 7, 7, 7]
    write_field(tmp_path / "back.nii.gz", constant((-1.0, -2.0, -1.0)))
    assert compare(str(tmp_path / "a.nii.gz"), str(tmp_path / "back.nii.gz"), inverse=True)["max_mm"] == 2


def test_compare_rejects_other_dimensions(files: Files, tmp_path: Path) -> None:
    flat = torch.diag(torch.tensor([2.0, 3, 1])).double()
    write_field(tmp_path / "a.nii.gz", constant((0.0, 0.0), (5, 6), flat))
    with pytest.raises(SystemExit, match=r"^Error: .* are expected to have the same dimension"):
        compare(files.field, str(tmp_path / "a.nii.gz"))


def test_compare_rejects_a_missing_file(files: Files) -> None:
    with pytest.raises(SystemExit, match=r"^Error: There is no file absent\.nii\.gz"):
        compare(files.field, "absent.nii.gz")


@pytest.fixture
def results(tmp_path: Path) -> tuple[str, str]:
    """Two tables of results; the second is better by 0.01 to 0.06."""
    for name, sign in (("a", 0), ("b", 1)):
        rows = [{"pair": f"{k}", "error": "", "dice_after": 0.5 + sign * 0.01 * k, "seconds": k} for k in range(1, 7)]
        write_table(tmp_path / f"{name}.csv", rows)
    return str(tmp_path / "a.csv"), str(tmp_path / "b.csv")


def test_compare_results_prints_and_writes(results: tuple[str, str], tmp_path: Path) -> None:
    text = compare_results(*results, output=str(tmp_path / "out" / "c.csv"))
    assert text.startswith(f"A: {results[0]}\nB: {results[1]}\n")
    assert " ".join(text.splitlines()[-1].split()) == "dice_after 6 0.5000 0.5350 0.5000 0.5350 0.0350 0.031"
    header, line = (tmp_path / "out" / "c.csv").read_text().splitlines()
    assert header == "column,n,median_a,median_b,mean_a,mean_b,mean_difference,p"
    assert line.startswith("dice_after,6,0.5,0.535,0.5,")
    assert line.endswith(",0.03125")


@pytest.mark.parametrize(
    ("second", "output", "message"),
    [
        ("absent.csv", None, r"There is no file absent\.csv"),
        (None, "c.txt", r"--output is expected to end in \.csv, got c\.txt"),
        (None, True, r"--output is expected to end in \.csv, got True"),
    ],
)
def test_compare_results_rejects(
    second: str | None, output: str | None, message: str, results: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit, match=rf"^Error: {message}"):
        compare_results(results[0], second or results[1], output)


def test_compare_results_rejects_an_output_that_cannot_be_written(results: tuple[str, str]) -> None:
    with pytest.raises(SystemExit, match=r"^Error: .*a\.csv.* cannot be written"):
        compare_results(*results, output=f"{results[0]}/c.csv")


@pytest.fixture
def segmenter(tmp_path: Path) -> dict[str, str]:
    """Weights of a small network, and a folder with a scan, as options of `label`."""
    torch.save(SegmentationUNet(classes=3, multiplier=1, convolutions=(1,)).state_dict(), tmp_path / "model.pt")
    settings = {"spacing": [2.0, 2.0, 2.0], "windows": [[400, 40]], "spatial_size": [16, 16, 16]}
    SegmenterSettings(tmp_path, **settings).write()
    scan = MetaTensor(100 * torch.rand(1, *SHAPE), affine=AFFINE, meta={"stored_dtype": "float32"})
    save_scan(tmp_path / "images" / "scan.nii.gz", scan)
    folders = {"images": str(tmp_path / "images"), "output": str(tmp_path / "labels")}
    return {"checkpoint": str(tmp_path / "model.pt"), **folders}


def test_label_writes_label_maps_and_a_report(segmenter: dict[str, Any]) -> None:
    """Its labels are true, but called otherwise."""
    truth = MetaTensor(torch.full((1, *SHAPE), 7.0), affine=AFFINE, meta={"stored_dtype": "uint8"})
    save_scan(Path(segmenter["images"]).parent / "truth" / "scan.nii.gz", truth)
    labels = str(Path(segmenter["images"]).parent / "truth")
    assert (
        label(**segmenter, spacing=3, labels=labels, label_map={7: 2})
        == f"scans of {segmenter['images']} -> {segmenter['output']}"
    )
    written = read_scan(Path(segmenter["output"]) / "scan.nii.gz", label=True)
    assert written.shape == (1, *SHAPE)
    assert written.unique().tolist() == [2]
    torch.testing.assert_close(torch.as_tensor(written.affine), AFFINE, atol=1e-4, rtol=0)
    lines = (Path(segmenter["output"]) / "report.csv").read_text().splitlines()
    assert lines[0] == "scan,organ,volume_ml,flag,error"
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint": "absent.pt"}, r"There are no weights at absent\.pt"),
        ({"images": "absent"}, r"There is no folder absent"),
        ({"labels": "absent"}, r"There is no folder absent"),
        ({"windows": [[400, 40], [800, 100]]}, r"The network in .* takes 1 windows, got 2"),
        ({"windows": [400, 40]}, r".*'windows' to be \[\[width, level\], \.\.\.\], got \[400, 40\]"),
        ({"device": "toaster"}, r"--device toaster is not available"),
        ({"label_map": "liver", "labels": "images"}, r"--label_map is expected to be such as \{1:6,2:6\}, got liver"),
    ],
)
def test_label_rejects(segmenter: dict[str, Any], options: dict, message: str) -> None:
    with pytest.raises(SystemExit, match=rf"^Error: {message}"):
        label(**segmenter | options)


@pytest.fixture
def table(tmp_path: Path) -> str:
    """What a training of two epochs writes."""
    path = tmp_path / "b" / "metrics.csv"
    save_text(path, "epoch,iteration,similarity,val_dice\n1,10,-0.5,\n2,20,-0.6,0.7\n")
    return str(path)


def test_learning_curves_writes_a_picture(table: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["learning_curves", table, "--output", f"{tmp_path}/out/curves.png", "--column", "dice"]
    fire.Fire({"learning_curves": learning_curves}, command=command)
    assert capsys.readouterr().out == f"dice of {table} -> {tmp_path}/out/curves.png\n"
    assert (tmp_path / "out" / "curves.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("tables", "options", "message"),
    [
        ((), {"output": "a.png"}, r"learning_curves expects the metrics\.csv of one training or more, got none"),
        (("absent.csv",), {"output": "a.png"}, r"There is no file absent\.csv"),
        (("absent.csv",), {"output": "a.jpg"}, r"--output is expected to end in \.png, got a\.jpg"),
    ],
)
def test_learning_curves_rejects(tables: tuple[str, ...], options: dict[str, str], message: str) -> None:
    with pytest.raises(SystemExit, match=rf"^Error: {message}"):
        learning_curves(*tables, **options)


def test_learning_curves_rejects_a_column(table: str) -> None:
    with pytest.raises(SystemExit, match=r"no numbers in a column overlap or val_overlap, but epoch, iteration, "):
        learning_curves(table, output="a.png", column="overlap")


def test_difference_maps_tell_what_they_draw(files: Files, capsys: pytest.CaptureFixture) -> None:
    output = files.output("maps.png")
    command = ["difference_maps", files.image, files.image, "--output", output]
    fire.Fire({"difference_maps": difference_maps}, command=command)
    told = f"mean absolute difference, of the range of the fixed scan: {files.folder.name}/image 0.0000 -> {output}\n"
    assert capsys.readouterr().out == told
    assert Path(output).stat().st_size > 5_000


@pytest.mark.parametrize(
    ("images", "output", "message"),
    [
        ([], "a.png", "'others' with at least one image, got none"),
        (["absent.nii"], "a.png", r"There is no file absent\.nii"),
        (["absent.nii"], "a.jpg", r"--output is expected to end in \.png, got a\.jpg"),
    ],
)
def test_difference_maps_rejects(files: Files, images: list[str], output: str, message: str) -> None:
    with pytest.raises(SystemExit, match=rf"^Error: .*{message}"):
        difference_maps(files.image, *images, output=output)


@pytest.fixture
def weights(tmp_path: Path) -> str:
    torch.save({"w": torch.ones(2)}, tmp_path / "w_epoch=3.pt")
    return str(tmp_path / "w_epoch=3.pt")


def test_pack_writes_one_network_or_several(weights: str, tmp_path: Path) -> None:
    pack(str(tmp_path / "one.pt"), weights, half=True)
    assert torch.load(tmp_path / "one.pt", weights_only=True)["w"].dtype == torch.float16
    pack(str(tmp_path / "two.pt"), f"first={weights}", f"second={weights}")
    assert list(torch.load(tmp_path / "two.pt", weights_only=True)) == ["first", "second"]


def test_pack_averages(weights: str, tmp_path: Path) -> None:
    torch.save({"w": 3 * torch.ones(2)}, tmp_path / "other.pt")
    pack(str(tmp_path / "mean.pt"), weights, str(tmp_path / "other.pt"), mean=True)
    assert torch.load(tmp_path / "mean.pt", weights_only=True)["w"].tolist() == [2.0, 2.0]


def test_pack_rejects_half_in_front_of_a_file(weights: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--half takes no value: write it at the end"):
        fire.Fire(pack, command=[str(tmp_path / "one.pt"), "--half", weights])


@pytest.mark.parametrize("names", [[], ["", ""], ["a=", ""], ["a=", "a="]])
def test_pack_rejects(names: list[str], weights: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="pack expects the weights of one training, or of several as name=path"):
        pack(str(tmp_path / "two.pt"), *[name + weights for name in names])


def test_command_line_reaches_the_functions(
    files: Files, results: tuple[str, str], capsys: pytest.CaptureFixture
) -> None:
    commands = {"apply": apply, "compare": compare, "compare_results": compare_results, "label": label}
    fire.Fire(commands, command=["compare_results", *results])
    assert "mean A  mean B" in capsys.readouterr().out
    fire.Fire(commands, command=["compare", files.field, "--field_b", files.field])
    assert "max_mm:          0" in capsys.readouterr().out
    output = files.output("fire.csv")
    fire.Fire(commands, command=["apply", "--points", files.points, "--inverse", f"--output={output}", files.field])
    torch.testing.assert_close(read_points(output).positions, move_points(POINTS, files.values), atol=1e-5, rtol=0)


def test_command_line_says_one_sentence(tmp_path: Path) -> None:
    """From another folder, as a process of its own: no traceback, and an exit code."""
    command = [sys.executable, "-m", "common", "compare", "absent.nii.gz", "absent.nii.gz"]
    repository = str(Path(__file__).parents[1])
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": repository}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: There is no file absent.nii.gz."
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("load", "given", "expected"),
    [(100.0, {}, "PASSIVE"), (0.0, {}, "None"), (100.0, {"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")],
)
def test_threads_sleep_while_they_wait_on_a_busy_machine(load: float, given: dict[str, Any], expected: str) -> None:
    """The package is imported before torch on its command line, and torch reads the environment once."""
    code = f"import os, sys; os.cpu_count, os.getloadavg = lambda: 2, lambda: ({load}, 0, 0); import common; "
    code += "print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [expected, "False"]
