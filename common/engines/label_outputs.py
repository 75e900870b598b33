"""What MONAI Label runs after the network: the label of the moving scan, brought onto the scan on the screen."""

from collections.abc import Callable, Sequence

from monai.transforms import Compose, CopyItemsd, DeleteItemsd, SqueezeDimd

from common.transforms import KeepStartd, NativeFieldd, WarpToFixedd


def label_postprocessing(optimization: Sequence[Callable] = ()) -> Compose:
    """Build the way from the network's ``pred`` to the label map that the server takes for its answer.

    Args:
        optimization: of the network's field, see `instance_optimization`.

    Returns:
        Transform after which ``pred`` is that label map, ``(*fixed)``.
    """
    return Compose(
        [
            *optimization,
            KeepStartd("pred"),
            NativeFieldd("pred"),
            WarpToFixedd("moving_label"),
            DeleteItemsd("pred"),
            CopyItemsd("warped_label", names="pred"),
            SqueezeDimd("pred", dim=0),
        ]
    )
