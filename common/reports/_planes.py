"""Cutting a canonical volume into the planes a radiologist looks at."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Plane(NamedTuple):
    """A picture of a volume whose axes run to the patient's right, front and head (RAS).

    Attributes:
        name: what it is called.
        horizontal: axis that runs along the picture.
        vertical: axis that runs up the picture.
        letters: patient directions at the left, right, bottom and top of the picture.
        position: index along the remaining axis; None in 2-D.
    """

    name: str
    horizontal: int
    vertical: int
    letters: str
    position: int | None = None

    def cut(self, volume: NDArray) -> NDArray:
        """The plane of an array ``(*spatial)``: rows upwards, columns rightwards, for ``imshow(origin="lower")``.

        The patient's right is on the left of the picture, in the sagittal plane the front: columns are reversed.
        """
        if self.position is not None:
            volume = select(volume, self.position, 3 - self.horizontal - self.vertical)
        return volume.T[:, ::-1]

    def size(self, shape: Sequence[int], spacing: Sequence[float]) -> tuple[float, float]:
        """Width and height of the picture, mm."""
        return shape[self.horizontal] * spacing[self.horizontal], shape[self.vertical] * spacing[self.vertical]


PLANES = {  # by the axis that runs through them
    2: Plane("axial", 0, 1, "RLPA"),
    1: Plane("coronal", 0, 2, "RLIS"),
    0: Plane("sagittal", 1, 2, "APIS"),
}


def select(array: NDArray, index: int | slice, axis: int) -> NDArray:
    """A view; `take` copies all of an array whose axes are turned first."""
    return array[(slice(None),) * axis + (index,)]


FEW_SLICES, THICK = 32, 3.0  # at most so many slices, each so many times as thick as its voxels are wide


def choose_planes(image: NDArray, label: NDArray | None = None, spacing: Sequence[float] | None = None) -> list[Plane]:
    """Axial, coronal and sagittal planes through the middle of the labels, else of the bright part of the image.

    Of a stack of few thick slices, whose other planes would show little, three of the slices.
    """
    if image.ndim == 2:
        return [Plane("", 0, 1, "RLPA")]
    mask = label > 0 if label is not None and label.any() else image > image.mean()
    through = _slice_axis(image.shape, spacing or [1.0] * 3)
    if through is not None:
        positions = sorted(set(_along(mask, through, (0.2, 0.5, 0.8))))
        return [_plane_at(through, position, image.shape) for position in positions]
    return [_plane_at(axis, middle_along(mask, axis), image.shape) for axis in sorted(PLANES, reverse=True)]


def _plane_at(through: int, position: int, shape: Sequence[int]) -> Plane:
    plane = PLANES[through]
    return plane._replace(name=f"{plane.name} {position + 1}/{shape[through]}", position=position)


def middle_along(mask: NDArray, axis: int) -> int:
    """Position along an axis that halves a mask; the middle of the axis where the mask is empty."""
    return _along(mask, axis, (0.5,))[0]


def _slice_axis(shape: Sequence[int], spacing: Sequence[float]) -> int | None:
    """The axis across which a stack has few thick slices; None for volumes."""
    axis = int(np.argmax(spacing)) if min(shape) > 1 else int(np.argmin(shape))
    others = [length for n, length in enumerate(spacing) if n != axis]
    thick = shape[axis] <= FEW_SLICES and spacing[axis] >= THICK * max(others)
    return axis if thick or shape[axis] == 1 else None


def _along(mask: NDArray, axis: int, shares: Sequence[float]) -> list[int]:
    """Positions along an axis up to which these shares of the mask lie; of the axis where the mask is empty."""
    profile = mask.sum(axis=tuple(a for a in range(mask.ndim) if a != axis)).cumsum()
    if not profile[-1]:
        return [min(int(share * mask.shape[axis]), mask.shape[axis] - 1) for share in shares]
    return [int(np.searchsorted(profile, share * profile[-1])) for share in shares]
