"""From the files of a pair to the input of a network, the same for every bundle."""

from collections.abc import Callable, Sequence

from monai.config import KeysCollection
from monai.utils import ensure_tuple

from common.transforms import CheckExtentd, ClockedCompose, InitialTransformd, LoadPointsd, LoadScansd

IMAGE_KEYS = ("fixed_image", "moving_image")
LABEL_KEYS = ("fixed_label", "moving_label", "fixed_mask", "moving_mask")
KEYPOINT_KEYS = ("fixed_keypoints", "moving_keypoints")


def registration_preprocessing(
    working_grid: Callable | Sequence[Callable],
    spatial_dims: int | None = 3,
    initial_transform: str = "affine",
    largest_extent_mm: float | None = None,
    image_keys: KeysCollection = IMAGE_KEYS,
    label_keys: KeysCollection = LABEL_KEYS,
    keypoint_keys: KeysCollection = KEYPOINT_KEYS,
) -> ClockedCompose:
    """Build the way of a pair from its files to the network's ``image``.

    Args:
        working_grid: brings the scans and their ``initial_transform`` onto one grid, normalized: adds ``image``.
        spatial_dims: see `common.transforms.LoadScansd`.
        initial_transform: see `common.transforms.InitialTransformd`.
        largest_extent_mm: see `common.transforms.CheckExtentd`.
        image_keys: the fixed and the moving scan, in this order.
        label_keys: label maps and masks of the two, left out where absent.
        keypoint_keys: points of the two, left out where absent.

    Returns:
        Transform of a dictionary of paths, see `common.data.read_pairs`.
    """
    return ClockedCompose(
        {
            "load": [
                LoadScansd(image_keys, label_keys, spatial_dims),
                LoadPointsd(keypoint_keys, spatial_dims),
                CheckExtentd(image_keys, largest_extent_mm),
            ],
            "pre-alignment": [InitialTransformd(image_keys, initial_transform)],
            "working grid": ensure_tuple(working_grid),
        }
    )
