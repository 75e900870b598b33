"""The input of paper 002's network, as a dictionary transform."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from common.features import gradient_magnitude
from common.features.gradient_magnitude import HOUNSFIELD_RANGE, HOUNSFIELD_UNIT


class GradientMagnituded(MapTransform):
    """Replace images by the lengths of their gradients, see `common.features.gradient_magnitude`.

    Args:
        keys: images, ``(C, *spatial)``.
        sigma: see there.
        intensity_range: see there.
        unit: see there.
    """

    def __init__(
        self,
        keys: KeysCollection,
        sigma: float = 0.5,
        intensity_range: tuple[float, float] | None = HOUNSFIELD_RANGE,
        unit: float = HOUNSFIELD_UNIT,
    ) -> None:
        super().__init__(keys)
        self.settings: dict[str, Any] = {"sigma": sigma, "intensity_range": intensity_range, "unit": unit}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Differentiate."""
        return {**data, **{key: gradient_magnitude(data[key][None], **self.settings)[0] for key in self.keys}}
