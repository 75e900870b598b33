"""From the answer of a network to files, the same for every bundle."""

from collections.abc import Callable, Sequence
from pathlib import Path

from common.reports import SaveRegistrationd
from common.transforms import (
    ClockedCompose,
    KeepStartd,
    MeasureNetworkd,
    MeasureRegistrationd,
    NativeFieldd,
    WarpToFixedd,
)

PREDICTIONS = ("pred", "refinement")
MOVING_KEYS = ("moving_image", "moving_label", "moving_keypoints")


def registration_postprocessing(output_dir: str | Path, optimization: Sequence[Callable] = ()) -> ClockedCompose:
    """Build the way of a pair from the network's ``pred`` to its results.

    Args:
        output_dir: see `common.reports.SaveRegistrationd`.
        optimization: of the network's field, see `instance_optimization`.

    Returns:
        Transform of what `registration_preprocessing` gives, with ``pred``, ``(d, *working)``, working voxels.
    """
    warp = [NativeFieldd("pred"), WarpToFixedd(MOVING_KEYS, unaligned=True)]
    measure = [MeasureRegistrationd()]
    return ClockedCompose(
        {
            **({"optimization": optimization} if optimization else {}),
            "warp": [KeepStartd(PREDICTIONS, allow_missing_keys=True), *warp],
            "measure": [*measure, MeasureNetworkd([*warp, *measure])],
            "write": [SaveRegistrationd(output_dir)],
        },
        after="registration",
    )
