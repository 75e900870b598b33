"""Masks of the patient in CT scans that come without.

MONAI's `ForegroundMaskd` takes the table for the patient.
"""

import logging
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform

from common.features import body_mask
from common.features.body import AIR
from common.io import InputError

logger = logging.getLogger("common")


class BodyMaskd(MapTransform):
    """Find the patient in each scan that has no mask, and warn of those without Hounsfield units.

    Args:
        keys: CT scans, MetaTensors ``(1, *spatial)``, named ``..._image``.

    Adds ``..._mask``, ``(1, *spatial)``, uint8, where it is not there.

    Raises:
        InputError: if a scan has not three axes.
    """

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Find."""
        masked = dict(data)
        for key in self.keys:
            scan, name = data[key], str(key).replace("image", "mask")
            if scan.ndim != 4:
                raise InputError(f"--body_mask looks for the patient in scans of three axes, got {scan.ndim - 1}.")
            if name not in data:
                if float(scan.min()) > AIR:
                    logger.warning("%s is not in Hounsfield units, in which --body_mask is sure of what is air", key)
                masked[name] = MetaTensor(body_mask(scan).to(torch.uint8), affine=scan.affine)
        return masked
