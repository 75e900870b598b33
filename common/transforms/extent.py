"""Scans that are far larger than what a network was trained on are refused, before anything is computed."""

from collections.abc import Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from common.io import InputError, grid_of


class CheckExtentd(MapTransform):
    """Make sure that scans are no larger than the weights can know.

    Args:
        keys: scans, MetaTensors.
        largest_mm: most that a field of view may measure along any axis of a scan; None for whatever it is.
    """

    def __init__(self, keys: KeysCollection, largest_mm: float | None = None) -> None:
        super().__init__(keys)
        self.largest_mm = largest_mm

    def __call__(self, data: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """Look at the headers.

        Raises:
            InputError: if a scan is larger.
        """
        for key in self.keys:
            grid = grid_of(data[key])
            extent = [size * float(step) for size, step in zip(grid.shape, grid.spacing, strict=True)]
            if self.largest_mm is not None and max(extent) > self.largest_mm:
                raise InputError(
                    f"The {str(key).replace('_', ' ')} measures {' x '.join(f'{length:.0f}' for length in extent)} mm: "
                    f"the weights know no more than {self.largest_mm:g} mm (--largest_extent_mm). Crop it to the organ."
                )
        return data
