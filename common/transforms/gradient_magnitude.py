"""The input of paper 002's network, with its settings: the `normalization` of a `CaseGrid`."""

from typing import Any

from monai.transforms import Transform
from torch import Tensor

from common.features import gradient_magnitude
from common.features.gradients import HOUNSFIELD_RANGE, HOUNSFIELD_UNIT


class GradientMagnitude(Transform):
    """`common.features.gradient_magnitude` with its settings, which have the same names."""

    def __init__(
        self,
        sigma: float = 0.5,
        intensity_range: tuple[float, float] | None = HOUNSFIELD_RANGE,
        unit: float = HOUNSFIELD_UNIT,
    ) -> None:
        self.settings: dict[str, Any] = {"sigma": sigma, "intensity_range": intensity_range, "unit": unit}

    def __call__(self, image: Tensor) -> Tensor:
        """Differentiate an image, ``(C, *spatial)``, or a batch of them, ``(B, C, H, W, D)``."""
        batch = image if image.ndim == 5 else image[None]
        magnitude = gradient_magnitude(batch, **self.settings)
        return magnitude if image.ndim == 5 else magnitude[0]
