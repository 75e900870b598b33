"""What the landmarks of a pair say of its clouds."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Transform

from common.io import InputError
from common.spatial import scattered_spline


class LandmarkDisplacementd(Transform):
    """Interpolate the displacements of corresponding landmarks at the points of the fixed cloud.

    Adds ``pseudo_label``, ``(N, 3)``, in the frame of the network: what a training by landmarks is to predict. Needs
    what `common.transforms.PairCloudsd` gives, and ``*_keypoints``.

    Args:
        scale_mm: see `common.transforms.PairCloudsd`.
        smoothing: see `common.spatial.scattered_spline`.
    """

    def __init__(self, scale_mm: Sequence[float], smoothing: float = 0.001) -> None:
        self.scale_mm = torch.tensor(scale_mm, dtype=torch.float64)
        self.smoothing = smoothing

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Interpolate.

        Raises:
            InputError: if the pair has no landmarks, or too few.
        """
        if "fixed_keypoints" not in data or "moving_keypoints" not in data:
            raise InputError("A training by landmarks needs fixed_keypoints and moving_keypoints of every pair.")
        fixed, moving = data["fixed_keypoints"], data["moving_keypoints"]
        known = (fixed + moving).isfinite().all(dim=1)
        steps = ((moving - fixed)[known] - data["cloud_shift"]) / self.scale_mm
        try:
            label = scattered_spline(
                fixed[known] / self.scale_mm, steps, data["fixed_cloud"] / self.scale_mm, self.smoothing
            )
        except ValueError as error:
            raise InputError("A training by landmarks needs five or more of a pair, which lie in no plane.") from error
        return {**data, "pseudo_label": label.float()}
