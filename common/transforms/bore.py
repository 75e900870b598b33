"""What a CT scanner has seen: the disc of its bore in every slice, by geometry.

MONAI has masks by intensity; air in the bore and padding around it may have one value.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple

from common.features import slice_axis

RADIUS = 250 / 512  # of the disc, as a share of a slice's side
SQUARE = 0.02  # sides of a slice that differ by a larger share are those of a crop
AIR = -1000.0  # HU
DENSE = -500.0  # HU; where more than `DENSE_SHARE` outside of the disc is denser, the scan is a crop
DENSE_SHARE = 0.01


def bore_mask(spatial_shape: Sequence[int], slice_axis: int = 2, radius: float = RADIUS) -> torch.Tensor:
    """Draw the disc of the scanner's bore in every slice.

    Args:
        spatial_shape: of the scan, three axes.
        slice_axis: the axis through the slices.
        radius: of the disc, as a share of a slice's side; in the paper 250 of 512 voxels.

    Returns:
        ``(1, *spatial_shape)``, bool. True everywhere if slices are not square: a crop does not say where the bore was.

    Raises:
        ValueError: if there are not three axes.

    Reference:
        Eppenhof et al., "Progressively trained convolutional neural networks for deformable image registration", TMI
        2020, https://doi.org/10.1109/TMI.2019.2953788 -- section III.

    Example:
        >>> bore_mask((4, 4, 1), radius=0.5)[0, :, :, 0].int()
        tensor([[0, 1, 1, 0],
                [1, 1, 1, 1],
                [1, 1, 1, 1],
                [0, 1, 1, 0]], dtype=torch.int32)
    """
    if len(spatial_shape) != 3:
        raise ValueError(f"bore_mask() expects 'spatial_shape' of three axes, got {tuple(spatial_shape)}.")
    sides = [size for axis, size in enumerate(spatial_shape) if axis != slice_axis]
    if max(sides) - min(sides) > SQUARE * max(sides):
        return torch.ones(1, *spatial_shape, dtype=torch.bool)
    squared = torch.zeros(())
    for axis, size in enumerate(spatial_shape):
        if axis != slice_axis:
            place = ((torch.arange(size) - (size - 1) / 2) / size) ** 2
            squared = squared + place.view([-1 if other == axis else 1 for other in range(3)])
    return (squared <= radius**2).expand(*spatial_shape)[None].clone()


class BoreMaskd(MapTransform):
    """Find what the scanner has seen, and make air of the rest.

    A scan that goes on outside of the disc is a crop: it counts everywhere.

    Args:
        keys: CT scans, MetaTensors ``(1, *spatial)``, HU; the slices are those across the body, whatever the order of
            axes.
        mask_keys: where the mask goes, one a scan, ``(1, *spatial)``, uint8.

    Raises:
        ValueError: if there are not as many masks as scans.
    """

    def __init__(self, keys: KeysCollection, mask_keys: KeysCollection = "mask") -> None:
        super().__init__(keys)
        self.mask_keys = ensure_tuple(mask_keys)
        if len(self.mask_keys) != len(self.keys):
            raise ValueError(
                f"BoreMaskd() expects one of 'mask_keys' for each scan, got {self.mask_keys} for {self.keys}."
            )

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Mask."""
        masked = dict(data)
        for key, mask_key in zip(self.keys, self.mask_keys, strict=True):
            scan = data[key]
            mask = bore_mask(scan.shape[1:], slice_axis(scan)).to(scan.device)
            outside = scan.as_tensor()[~mask]
            if len(outside) and (outside > DENSE).float().mean() > DENSE_SHARE:
                mask = torch.ones_like(mask)
            masked[key] = torch.where(mask, scan, AIR)
            masked[mask_key] = MetaTensor(mask.to(torch.uint8), affine=scan.affine)
        return masked
