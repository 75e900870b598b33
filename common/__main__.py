"""The command line: `python -m common apply` and `python -m common compare`; `-- --help` behind either explains it."""

from pathlib import Path

import fire
import torch

from common.engines import one_sentence
from common.reports import points_suffix, save_scan, save_text
from common.spatial import sample
from common.transforms import (
    Field,
    format_points,
    grid_of,
    invert_field,
    move_points,
    pull_points,
    read_field,
    read_points,
    read_scan,
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
    scan onto the moving one. This holds for points too: they go where the image around them goes.

    Args:
        field: displacement field, ours or any that ITK reads (LPS mm, on the fixed grid).
        output: file to write; for points its ending chooses the format: .csv, .fcsv, .mrk.json.
        image: image to warp, linear interpolation.
        label: label map to warp, nearest neighbor.
        points: points to move: CSV with the columns x, y, z in world mm (LPS), .fcsv or .mrk.json.
        inverse: go backwards.
        reference: with --inverse, a scan whose grid the result gets; by default that of the field.
    """
    with one_sentence():
        given = [name for name, value in (("image", image), ("label", label), ("points", points)) if value is not None]
        if len(given) != 1:
            raise ValueError(f"apply expects one of --image, --label and --points, got {', '.join(given) or 'none'}.")
        loaded = read_field(field)
        dims = len(loaded.grid.shape)
        if points is not None:
            found = read_points(points, dims)
            moved = move_points(found, loaded) if inverse else pull_points(found, loaded)
            save_text(output, format_points(f"points{points_suffix(output)}", moved))
        else:
            _check_nifti(output)
            if inverse:
                grid = loaded.grid if reference is None else grid_of(read_scan(reference, dims))
                loaded = invert_field(loaded, grid)
            scan = read_scan(str(image or label), dims, label=label is not None)
            save_scan(output, warp_scan(scan, loaded, "bilinear" if label is None else "nearest"))
        return f"{given[0]} of the {'fixed' if inverse else 'moving'} scan -> {output}"


def compare(field_a: str, field_b: str) -> dict[str, float]:
    """Tell how far two displacement fields are apart, in mm, over the grid of the first.

    Args:
        field_a: displacement field, ours or any that ITK reads.
        field_b: another one; it is interpolated where its grid differs.
    """
    with one_sentence():
        first, second = read_field(field_a), read_field(field_b)
        if len(first.grid.shape) != len(second.grid.shape):
            raise ValueError(f"{field_a} and {field_b} are expected to have the same dimension.")
        return {name: round(value, 6) for name, value in distances(first, second).items()}


def distances(first: Field, second: Field) -> dict[str, float]:
    """Distance of two fields over the part of the first one's grid that the second covers: mean, median, 95 %, maximum.

    Raises:
        ValueError: if they do not overlap.
    """
    coordinates = first.grid.map_to(second.grid.affine)
    other = sample(second.displacement, coordinates)
    covered = sample(torch.ones(1, 1, *second.grid.shape), coordinates, padding="inside")[0, 0] > 0
    distance = (first.displacement - other)[0].norm(dim=0)[covered]
    if not len(distance):
        raise ValueError("The two fields do not overlap in space.")
    ordered = distance.sort().values
    quantile = {name: float(ordered[round(q * (len(ordered) - 1))]) for name, q in (("median", 0.5), ("p95", 0.95))}
    return {
        "mean_mm": float(distance.double().mean()),
        "median_mm": quantile["median"],
        "p95_mm": quantile["p95"],
        "max_mm": float(ordered[-1]),
        "covered_percent": 100 * float(covered.double().mean()),
    }


def _check_nifti(path: str) -> None:
    if not Path(path).name.endswith((".nii", ".nii.gz")):
        raise ValueError(f"--output is expected to end in .nii.gz or .nii, got {path}.")


if __name__ == "__main__":
    fire.Fire({"apply": apply, "compare": compare})
