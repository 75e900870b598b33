"""The command line: `python -m common apply|compare|difference_maps|label|pack|prepare|... [-- --help]`."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fire
import torch

from common import metrics, reports
from common.data import prepare
from common.engines import Segmenter, as_written, check_device, check_ending, check_flags, label_scans, one_sentence
from common.handlers import pack_mean_weights, pack_weights
from common.io import (
    ONE_SLICE,
    POINT_ENDINGS,
    Field,
    InputError,
    format_points,
    grid_of,
    has_one_slice,
    read_field,
    read_points,
    read_scan,
    save_scan,
    save_text,
    write_table,
)
from common.transforms import (
    PulledPoints,
    invert_field,
    move_points,
    points_without_partner,
    pull_points,
    voxels_without_partner,
    warp_scan,
)


def apply(
    field: str,
    output: str,
    image: str | None = None,
    label: str | None = None,
    points: str | None = None,
    inverse: bool = False,
    reference: str | None = None,
) -> str:
    """Apply a saved displacement field to an image, a label map or points.

    A field brings everything of the moving scan onto the fixed scan; with --inverse it brings everything of the fixed
    scan onto the moving one. This holds for points too: they go where the image around them goes. Voxels without a
    single place in the other scan, beyond the field or where it folds, hold the background; such points are undefined.

    Args:
        field: displacement field, ours or any that ITK reads (LPS mm, on the fixed grid).
        output: file to write; for points its ending chooses the format: .csv, .fcsv, .mrk.json.
        image: image to warp, linear interpolation.
        label: label map to warp, nearest neighbor.
        points: points to move: CSV with the columns x, y, z in world mm (LPS), .fcsv or .mrk.json. Their names stay.
        inverse: go backwards.
        reference: with --inverse, a scan whose grid the result gets; by default that of the field.
    """
    with one_sentence():
        check_flags(inverse=inverse)
        given = [name for name, value in (("image", image), ("label", label), ("points", points)) if value is not None]
        if len(given) != 1:
            raise InputError(f"apply expects one of --image, --label and --points, got {', '.join(given) or 'none'}.")
        if reference is not None and (not inverse or points is not None):
            raise InputError("--reference is for scans carried back: give --inverse and --image or --label with it.")
        check_ending(output, POINT_ENDINGS if points is not None else (".nii.gz", ".nii"))
        loaded = read_field(field)
        if points is not None:
            remark = _apply_to_points(loaded, str(points), output, inverse)
        else:
            remark = _apply_to_scan(loaded, str(image or label), output, label is not None, inverse, reference)
        done = f"{given[0]} of the {'fixed' if inverse else 'moving'} scan -> {output}"
        return f"{done}\n{remark}." if remark else done


def _apply_to_points(field: Field, points: str, output: str, inverse: bool) -> str:
    found = read_points(points, len(field.grid.shape))
    if inverse:
        moved = move_points(found.positions, field)
        outside = moved.isnan().any(dim=1) & ~found.positions.isnan().any(dim=1)
        pulled = PulledPoints(moved, outside, torch.zeros_like(outside))
    else:
        pulled = pull_points(found.positions, field)
    save_text(output, format_points(output, pulled.points, found.labels))
    remark = points_without_partner(pulled, found.labels, "moving" if inverse else "fixed")
    if not found.undefined:
        return remark
    undefined = f"undefined in {points}, and here: {', '.join(found.undefined)}"
    return f"{remark}.\n{undefined}" if remark else undefined


def _apply_to_scan(field: Field, path: str, output: str, label: bool, inverse: bool, reference: str | None) -> str:
    dims = len(field.grid.shape)
    scan, remark = read_scan(path, dims, label=label), ""
    one_slice = dims == 2 and (has_one_slice(path) or field.place is not None)
    if inverse:
        grid, place = field.grid, field.place
        if reference is not None:
            target = read_scan(reference, dims)
            grid, place, one_slice = grid_of(target), target.affine, dims == 2 and has_one_slice(reference)
        field, pulled = invert_field(field, grid, place)
        remark = voxels_without_partner(pulled)
    warped = warp_scan(scan, field, "nearest" if label else "bilinear")
    warped.meta[ONE_SLICE] = one_slice
    save_scan(output, warped)
    return remark


def compare(field_a: str, field_b: str, inverse: bool = False) -> dict[str, float]:
    """Tell how far two displacement fields are apart, in mm, over the grid of the first.

    Args:
        field_a: displacement field, ours or any that ITK reads.
        field_b: another one; it is interpolated where its grid differs.
        inverse: how far is the second from being the inverse of the first? The distance of a voxel that goes there and
            back from where it was.
    """
    with one_sentence():
        check_flags(inverse=inverse)
        first, second = read_field(field_a), read_field(field_b)
        if len(first.grid.shape) != len(second.grid.shape):
            raise InputError(f"{field_a} and {field_b} are expected to have the same dimension.")
        measure = metrics.inverse_consistency if inverse else metrics.field_distance
        return {name: round(value, 6) for name, value in measure(first, second).items()}


def compare_results(results_a: str, results_b: str, output: str | None = None) -> str:
    """Tell whether one method is better than another on the same pairs: Wilcoxon's signed-rank test of every figure.

    Failed pairs and empty cells are left out; p is two-sided and not corrected for the number of figures.

    Args:
        results_a: CSV with one line per pair, such as the summary.csv of a list of pairs.
        results_b: another one, with the same pairs.
        output: CSV to write as well.
    """
    with one_sentence():
        if output is not None:
            check_ending(output, [".csv"])
        compared = metrics.compare_results(str(results_a), str(results_b))
        if output is not None:
            write_table(output, [row._asdict() for row in compared])
        return f"A: {results_a}\nB: {results_b}\n\n{metrics.comparison_table(compared)}"


def label(
    checkpoint: str,
    images: str,
    output: str,
    labels: str | None = None,
    label_map: Mapping[Any, int | Sequence[int]] | None = None,
    windows: Sequence[Sequence[float]] | None = None,
    spacing: float | Sequence[float] | None = None,
    device: str | None = None,
) -> str:
    """Label every scan of a folder with a trained segmentation network, and tell which organs look wrong.

    Writes a label map a scan, on the scan's own grid, and report.csv: the volume of each organ, and whether it is
    missing or an outlier. Started again, it goes on where it stopped.

    Args:
        checkpoint: weights written by a training with configs/segmentation.json; settings.json beside them is used.
        images: folder of scans.
        output: folder of the results.
        labels: folder of true label maps, named like the scans; their labels replace the network's.
        label_map: what the true labels are called here, such as {1:6,2:6}; {1:[2,3]} for a right and a left organ.
        windows: width and level of each, such as [[400,40]], if settings.json is not there.
        spacing: voxel size the network was trained on, mm, if settings.json is not there.
        device: where to compute; by default a GPU where there is one.
    """
    with one_sentence():
        logging.basicConfig(format="%(message)s")
        logging.getLogger("common").setLevel(logging.INFO)
        place = check_device(("cuda" if torch.cuda.is_available() else "cpu") if device is None else device)
        if not isinstance(label_map, dict | None):
            raise InputError(f"--label_map is expected to be such as {{1:6,2:6}}, got {label_map}.")
        segmenter = Segmenter(str(checkpoint), place, windows=windows, spacing=spacing)
        label_scans(segmenter, str(images), str(output), save_scan, labels and str(labels), label_map)
        return f"scans of {images} -> {output}"


def difference_maps(fixed: str, *images: str, output: str) -> str:
    """Draw how far images are from a fixed one: the moving scan before a registration, warped ones after it.

    Args:
        fixed: scan.
        images: scans of the same kind of intensities, each brought onto the grid of the fixed one.
        output: PNG file to write.
    """
    with one_sentence():
        check_ending(output, [".png"])
        means = reports.draw_difference_maps(str(output), str(fixed), [str(image) for image in images])
        told = ", ".join(f"{name} {mean:.4f}" for name, mean in means.items())
        return f"mean absolute difference, of the range of the fixed scan: {told} -> {output}"


def learning_curves(*tables: str, output: str, column: str = "similarity") -> str:
    """Draw how trainings went, one curve each over the iterations.

    Curves are called by the folders of their tables. The validation's figure of the same name is drawn with dots.

    Args:
        tables: metrics.csv of each training.
        output: PNG file to write.
        column: figure to draw, such as similarity or loss; dice is measured by the validation alone.
    """
    with one_sentence():
        check_ending(output, [".png"])
        if not tables:
            raise InputError("learning_curves expects the metrics.csv of one training or more, got none.")
        reports.learning_curves(str(output), [str(table) for table in tables], str(column))
        return f"{column} of {', '.join(map(str, tables))} -> {output}"


def pack(output: str, *weights: str, half: bool = False, mean: bool = False) -> str:
    """Write weights as they are shipped: those of one training, of several in one file, or the mean of several.

    Args:
        output: file to write, such as models/model.pt.
        weights: model.pt of a training, or its folder of checkpoints for the newest; several as name=path.
        half: in half precision.
        mean: average the weights, of one network trained on from the same weights.
    """
    with one_sentence():
        check_flags(half=half, mean=mean)
        if mean and len(weights) > 1:
            pack_mean_weights([str(each) for each in weights], str(output), half)
            return f"mean of {', '.join(map(str, weights))} -> {output}"
        files = dict(_named(str(each)) for each in weights)
        if len(files) != len(weights) or not files or ("" in files and len(files) > 1):
            raise InputError("pack expects the weights of one training, or of several as name=path, each name once.")
        pack_weights(files, str(output), half)
        return f"weights of {', '.join(map(str, weights))} -> {output}"


def _named(weights: str) -> tuple[str, str]:
    """Name and path; no name where the equals sign belongs to the path, as in checkpoint_epoch=9.pt."""
    name, _, path = weights.partition("=")
    return (name, path) if name.isidentifier() and path and not Path(weights).exists() else ("", weights)


if __name__ == "__main__":
    commands = (apply, compare, compare_results, difference_maps, label, learning_curves, pack, one_sentence()(prepare))
    fire.Fire({command.__name__: as_written(command) for command in commands})
