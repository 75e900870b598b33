"""The grid of a scan that was read."""

from monai.data import MetaTensor

from common.spatial import Grid


def grid_of(image: MetaTensor) -> Grid:
    """The grid of a channel-first scan, 2-D or 3-D; affine RAS."""
    dims = image.ndim - 1
    keep = [*range(dims), 3]
    return Grid(tuple(image.shape[1:]), image.affine.double().cpu()[keep][:, keep])
