"""The way of a pair of clouds from its files to its results; scans may come along, or the clouds be found in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.transforms import Transform

from common.io import InputError
from common.reports import SaveRegistrationd
from common.transforms import (
    CaseGrid,
    ClockedCompose,
    CloudFieldd,
    KeyPointsd,
    LoadPointsd,
    LoadScansd,
    MeasureRegistrationd,
    PairCloudsd,
    WarpToFixedd,
)

from .registration_inputs import IMAGE_KEYS, KEYPOINT_KEYS, LABEL_KEYS
from .registration_outputs import MOVING_KEYS

CLOUD_KEYS = ("fixed_cloud", "moving_cloud")


class _Landmarks(Transform):
    """See to it that a pair has what it is measured by."""

    def __call__(self, data: Any) -> dict[Any, Any]:
        if missing := [key for key in KEYPOINT_KEYS if key not in data]:
            raise InputError(
                f"Every pair is measured by its landmarks, but {data.get('pair', 'one')} has no {missing[0]}."
            )
        return dict(data)


class _ScansIfAny(LoadScansd):
    """Read the scans of a pair that has some."""

    def __call__(self, data: Any) -> dict[Any, Any]:
        return super().__call__(data) if set(IMAGE_KEYS) & set(data) else dict(data)


def key_point_preprocessing(
    case_grid: CaseGrid, scale_mm: Sequence[float], initial_transform: str = "centers", landmarks: bool = False
) -> ClockedCompose:
    """Build the way of a pair from its files to the network's ``image``.

    Args:
        case_grid: how a scan is brought onto the grid on which key points are looked for.
        scale_mm: see `common.transforms.PairCloudsd`.
        initial_transform: see there.
        landmarks: whether a pair without any is a mistake, as in a validation.

    Returns:
        Transform of a dictionary of paths, see `common.data.read_pairs`.
    """
    needed = [_Landmarks()] if landmarks else []
    return ClockedCompose(
        {
            "load": [*needed, _ScansIfAny(IMAGE_KEYS, LABEL_KEYS), LoadPointsd(KEYPOINT_KEYS)],
            "key points": [KeyPointsd(CLOUD_KEYS, case_grid), PairCloudsd(scale_mm, initial_transform)],
        }
    )


def key_point_postprocessing(
    output_dir: str | Path, scale_mm: Sequence[float], spacing: Sequence[float] | float, smoothing: float
) -> ClockedCompose:
    """Build the way of a pair from the network's ``pred`` to its results.

    Args:
        output_dir: see `common.reports.SaveRegistrationd`.
        scale_mm: see `common.transforms.CloudFieldd`.
        spacing: see there.
        smoothing: see there.

    Returns:
        Transform of what `key_point_preprocessing` gives, with ``pred``, ``(N, 3)``.
    """
    return ClockedCompose(
        {
            "warp": [
                CloudFieldd(scale_mm, spacing, smoothing=smoothing),
                WarpToFixedd(MOVING_KEYS, unaligned=True),
            ],
            "measure": [MeasureRegistrationd()],
            "write": [SaveRegistrationd(output_dir)],
        },
        after="registration",
    )
