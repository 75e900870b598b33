"""Coordinates need float32: at 160 voxels half precision is wrong by up to half a voxel, so autocast stays out."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(tensor: Tensor) -> AbstractContextManager:
    """Context without autocast on the device of a tensor; that without numbers, "meta", has none."""
    return nullcontext() if tensor.is_meta else torch.autocast(device_type=tensor.device.type, enabled=False)


def lift(tensor: Tensor) -> Tensor:
    """Bring half precision and integers to float32; float32 and float64 pass unchanged."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def outside_inference(tensor: Tensor) -> Tensor:
    """Return a tensor that autograd can keep; one of inference mode is copied for that."""
    with torch.inference_mode(False):
        return tensor.clone() if tensor.is_inference() else tensor
