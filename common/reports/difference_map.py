"""How far images are from the fixed one, before and after a registration, as in Fig. 4 of paper 004."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from monai.data import MetaTensor
from numpy.typing import NDArray

from common.io import InputError, find_spatial_dims, grid_of, read_scan
from common.spatial import resample

from . import _panels as panels
from ._canvas import MUTED, Canvas
from ._planes import choose_planes
from .report import canonical_orientation, to_canonical

COLUMN, MARGIN, GAP, HEADING, FOOTER = 256, 18, 6, 64, 52  # pixels
LIMIT = 0.5  # of the range of the fixed image, where the colors end


def difference_maps(
    path: str | Path, fixed: NDArray, others: Mapping[str, NDArray], spacing: Sequence[float]
) -> dict[str, float]:
    r"""Draw images and, below each, how it differs from the fixed one.

    .. math:: (m(x) - f(x)) / r, \quad r = \text{from the 0.5th to the 99.5th percentile of } f

    Red where an image is brighter than the fixed one, blue where it is darker, black where they agree.

    Args:
        path: PNG file to write.
        fixed: ``(*spatial)``, 2-D or 3-D, axes towards right, front and head (RAS).
        others: by name, on the same grid and with the same meaning of intensities: the moving image, warped ones.
        spacing: voxel size, mm.

    Returns:
        By name the mean of the absolute differences over the whole image, of r.

    Raises:
        InputError: if there is no other image or one has another shape, or the fixed one is constant.
        OSError: if the file cannot be written.
    """
    _check(fixed, others)
    low, high = np.quantile(fixed, (0.005, 0.995))
    images = {name: (image - low) / (high - low) for name, image in {"fixed": fixed, **others}.items()}
    means = {name: float(np.abs(images[name] - images["fixed"]).mean()) for name in others}
    planes = choose_planes(fixed, None, spacing)
    sizes = [plane.size(fixed.shape, spacing) for plane in planes]
    heights = [COLUMN * size[1] / size[0] for size in sizes]
    total = HEADING + sum(2 * (height + GAP) for height in heights)
    canvas = Canvas(2 * MARGIN + len(images) * (COLUMN + GAP) - GAP, round(total + FOOTER))
    lefts = [MARGIN + n * (COLUMN + GAP) for n in range(len(images))]
    for left, name in zip(lefts, images, strict=True):
        canvas.text(left, HEADING - 30, name, 11, va="baseline")
        if name in means:
            canvas.text(left, HEADING - 10, f"mean difference {means[name]:.3f}", 9, MUTED, va="baseline")
    top: float = HEADING
    for plane, size, height in zip(planes, sizes, heights, strict=True):
        for left, image in zip(lefts, images.values(), strict=True):
            panels.draw_picture(canvas.axes(left, top, COLUMN, height), plane.cut(image).clip(0, 1), size)
        for left, name in zip(lefts[1:], others, strict=True):
            axes = canvas.axes(left, top + height + GAP, COLUMN, height)
            panels.draw_difference(axes, plane.cut(images[name] - images["fixed"]), size, LIMIT)
        top += 2 * (height + GAP)
    scale = ScalarMappable(Normalize(-LIMIT, LIMIT), panels.JACOBIAN_COLORS)
    ticks = {-LIMIT: f"{-LIMIT:g}", 0: "0", LIMIT: f"{LIMIT:g} of the fixed range"}
    canvas.color_bar(MARGIN + 8, top + 10, COLUMN - 36, scale, ticks)
    canvas.save(path)
    return means


def draw_difference_maps(path: str | Path, fixed: str | Path, others: Sequence[str | Path]) -> dict[str, float]:
    """Draw `difference_maps` of scans, each brought onto the grid of the fixed one as their headers place it.

    Args:
        path: PNG file to write.
        fixed: scan, 2-D or 3-D.
        others: scans of the same dimension; each is called by its folder and name.

    Raises:
        FileNotFoundError: if a scan is not there.
        InputError: if a scan cannot be read or two have the same name.
        OSError: if the picture cannot be written.
    """
    dims = min(find_spatial_dims(each) for each in (fixed, *others))
    reference = read_scan(fixed, dims)
    grid = grid_of(reference)
    named = {"/".join(Path(other).parts[-2:]).split(".nii")[0]: other for other in others}
    if len(named) < len(others):
        raise InputError(f"Scans of different folders or names are expected, got {', '.join(map(str, others))}.")
    images = {}
    for name, other in named.items():
        scan = read_scan(other, dims)
        there = resample(scan.as_tensor()[None].float(), grid_of(scan).affine, grid)[0]
        images[name] = to_canonical(MetaTensor(there, affine=reference.affine))
    _, order = canonical_orientation(reference)
    return difference_maps(path, to_canonical(reference), images, [float(grid.spacing[axis]) for axis in order])


def _check(fixed: NDArray, others: Mapping[str, NDArray]) -> None:
    if not others:
        raise InputError("difference_maps() expects 'others' with at least one image, got none.")
    for name, image in others.items():
        if image.shape != fixed.shape:
            raise InputError(f"difference_maps() expects {name!r} of shape {fixed.shape}, got {image.shape}.")
    if not np.ptp(np.quantile(fixed, (0.005, 0.995))) > 0:
        raise InputError("difference_maps() expects 'fixed' that is not constant.")
