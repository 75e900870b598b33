"""What MONAI Label runs after the network: the label of the moving scan, brought onto the scan on the screen."""

from collections.abc import Callable, Sequence

from monai.transforms import CopyItemsd, DeleteItemsd, SqueezeDimd

from common.transforms import KeepStartd, NativeFieldd, WarpToFixedd

from .answering_compose import AnsweringCompose
from .registration_outputs import PREDICTIONS


def label_postprocessing(optimization: Sequence[Callable] = ()) -> AnsweringCompose:
    """Build the way from the network's ``pred`` to the label map that the server takes for its answer.

    Args:
        optimization: of the network's field, see `instance_optimization`.

    Returns:
        Transform after which ``pred`` is that label map, ``(*fixed)``.
    """
    return AnsweringCompose(
        [
            *optimization,
            KeepStartd(PREDICTIONS, allow_missing_keys=True),
            NativeFieldd("pred"),
            WarpToFixedd("moving_label"),
            DeleteItemsd("pred"),
            CopyItemsd("warped_label", names="pred"),
            SqueezeDimd("pred", dim=0),
        ]
    )
