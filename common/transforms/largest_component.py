"""Organs in one piece.

MONAI's `KeepLargestConnectedComponent` needs scikit-image; SciPy, which is there, does the same.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def keep_largest_component(label: NDArray) -> NDArray:
    """Make background of all but the largest connected piece of each label.

    Args:
        label: label map of any shape, whole numbers from 0 on. Voxels that share a corner are connected.

    Returns:
        The same shape and type; of pieces of one size the first stays.

    Example:
        >>> keep_largest_component(np.array([1, 1, 0, 1, 2, 2, 0]))
        array([1, 1, 0, 0, 2, 2, 0])
    """
    kept = np.zeros_like(label)
    everywhere = np.ones([3] * label.ndim)
    for number, place in enumerate(ndimage.find_objects(label), start=1):
        if place is not None:
            pieces, count = ndimage.label(label[place] == number, structure=everywhere)
            largest = 1 + np.bincount(pieces.ravel(), minlength=count + 1)[1:].argmax()
            kept[place][pieces == largest] = number
    return kept
