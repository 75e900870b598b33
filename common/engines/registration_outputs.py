"""From the answer of a network to files, the same for every bundle."""

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

MOVING_KEYS = ("moving_image", "moving_label", "moving_keypoints")


def registration_postprocessing(output_dir: str | Path) -> ClockedCompose:
    """Build the way of a pair from the network's ``pred`` to its results.

    Args:
        output_dir: see `common.reports.SaveRegistrationd`.

    Returns:
        Transform of what `registration_preprocessing` gives, with ``pred``, ``(d, *working)``, working voxels, or two
        of them, see `common.transforms.MeasureNetworkd`.
    """
    warp = [NativeFieldd("pred"), WarpToFixedd(MOVING_KEYS, unaligned=True)]
    measure = [MeasureRegistrationd()]
    return ClockedCompose(
        {
            "warp": [KeepStartd("pred"), *warp],
            "measure": [*measure, MeasureNetworkd([*warp, *measure])],
            "write": [SaveRegistrationd(output_dir)],
        },
        after="registration",
    )
