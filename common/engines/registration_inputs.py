"""From the files of a pair to the input of a network, the same for every bundle."""

from collections.abc import Callable, Sequence

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.utils import ensure_tuple

from common.transforms import (
    BodyMaskd,
    CaseGrid,
    CheckExtentd,
    ClockedCompose,
    GuidePaird,
    InitialTransformd,
    LoadPointsd,
    LoadScansd,
    PairGridd,
)

IMAGE_KEYS = ("fixed_image", "moving_image")
LABEL_KEYS = ("fixed_label", "moving_label", "fixed_mask", "moving_mask")
KEYPOINT_KEYS = ("fixed_keypoints", "moving_keypoints")


def registration_preprocessing(
    case_grid: CaseGrid,
    spatial_dims: int | None = 3,
    initial_transform: str = "affine",
    largest_extent_mm: float | None = None,
    bytes_per_voxel: float = 0.0,
    bounded: bool = False,
    image_keys: KeysCollection = IMAGE_KEYS,
    label_keys: KeysCollection = LABEL_KEYS,
    keypoint_keys: KeysCollection = KEYPOINT_KEYS,
    guide: str | Sequence[str] | None = None,
    segment: Callable[[MetaTensor], MetaTensor] | None = None,
    guide_weight: float = 30.0,
    body_mask: bool = False,
) -> ClockedCompose:
    """Build the way of a pair from its files to the network's ``image``.

    Args:
        case_grid: how a scan is brought onto its grid and normalized.
        spatial_dims: see `common.transforms.LoadScansd`.
        initial_transform: see `common.transforms.InitialTransformd`.
        largest_extent_mm: see `common.transforms.CheckExtentd`.
        bytes_per_voxel: see `common.transforms.PairGridd`.
        bounded: see there.
        image_keys: the fixed and the moving scan, in this order.
        label_keys: label maps and masks of the two, left out where absent.
        keypoint_keys: points of the two, left out where absent.
        guide: see `common.transforms.GuidePaird`; a name or several.
        segment: see there.
        guide_weight: see there, ``weight``.
        body_mask: find the patient in scans that come without a mask, see `common.transforms.BodyMaskd`.

    Returns:
        Transform of a dictionary of paths, see `common.data.read_pairs`.
    """
    steering = guiding_steps(guide, segment, guide_weight)
    return ClockedCompose(
        {
            "load": [
                LoadScansd(image_keys, label_keys, spatial_dims),
                LoadPointsd(keypoint_keys, spatial_dims),
                CheckExtentd(image_keys, largest_extent_mm),
            ],
            **({"body mask": [BodyMaskd(image_keys)]} if body_mask else {}),
            "pre-alignment": [InitialTransformd(image_keys, initial_transform, case_grid)],
            "working grid": [PairGridd(image_keys, case_grid, bytes_per_voxel, bounded)],
            **({"guidance": steering} if steering else {}),
        }
    )


def guiding_steps(
    guide: str | Sequence[str] | None, segment: Callable[[MetaTensor], MetaTensor] | None, weight: float
) -> list[GuidePaird]:
    """Bring what steers a registration onto the working grid, where something does; see `common.transforms.GuidePaird`.

    Args:
        guide: a name or several.
        segment: gives a scan the probabilities of its organs.
        weight: of labels and organs.
    """
    guides = [] if guide is None else ensure_tuple(guide)
    return [GuidePaird(guides, segment, weight)] if guides or segment is not None else []
