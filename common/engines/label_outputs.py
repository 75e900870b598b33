"""What MONAI Label runs after the network: the label of the moving scan, brought onto the scan on the screen."""

from monai.transforms import Compose, CopyItemsd, DeleteItemsd, SqueezeDimd

from common.transforms import KeepStartd, NativeFieldd, WarpToFixedd


def label_postprocessing() -> Compose:
    """Build the way from the network's ``pred`` to the label map that the server takes for its answer.

    Returns:
        Transform after which ``pred`` is that label map, ``(*fixed)``.
    """
    return Compose(
        [
            KeepStartd("pred"),
            NativeFieldd("pred"),
            WarpToFixedd("moving_label"),
            DeleteItemsd("pred"),
            CopyItemsd("warped_label", names="pred"),
            SqueezeDimd("pred", dim=0),
        ]
    )
