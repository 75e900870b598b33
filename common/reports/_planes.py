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
            volume = volume.take(self.position, 3 - self.horizontal - self.vertical)
        return volume.T[:, ::-1]

    def size(self, shape: Sequence[int], spacing: Sequence[float]) -> tuple[float, float]:
        """Width and height of the picture, mm."""
        return shape[self.horizontal] * spacing[self.horizontal], shape[self.vertical] * spacing[self.vertical]


def choose_planes(image: NDArray, label: NDArray | None = None) -> list[Plane]:
    """Axial, coronal and sagittal planes through the middle of the labels, else of the bright part of the image."""
    if image.ndim == 2:
        return [Plane("", 0, 1, "RLPA")]
    i, j, k = _middle(label > 0 if label is not None and label.any() else image > image.mean())
    return [Plane("axial", 0, 1, "RLPA", k), Plane("coronal", 0, 2, "RLIS", j), Plane("sagittal", 1, 2, "APIS", i)]


def _middle(mask: NDArray) -> list[int]:
    """Median position of the mask along each axis; the volume's middle where it is empty."""
    middle = []
    for axis in range(mask.ndim):
        profile = mask.sum(axis=tuple(a for a in range(mask.ndim) if a != axis)).cumsum()
        middle.append(int(np.searchsorted(profile, profile[-1] / 2)) if profile[-1] else mask.shape[axis] // 2)
    return middle
