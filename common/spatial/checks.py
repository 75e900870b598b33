"""The error texts of this room: function, argument, rule, what came, and the likely cause.

Every check is told the name of the public function that was called, and of its argument, for the message. What is none
of the kind is a TypeError, what has the wrong shape or value a ValueError.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

AXES = {2: "H, W", 3: "H, W, D"}


def check_image(function: str, argument: str, tensor: Tensor, spatial_dims: int | None = None) -> None:
    """Check a batch of images, `(B, C, H, W)` or `(B, C, H, W, D)`; `spatial_dims` where only one of them will do."""
    _check_tensor(function, argument, tensor)
    allowed = (2, 3) if spatial_dims is None else (spatial_dims,)
    if tensor.ndim - 2 not in allowed:
        shapes = " or ".join(f"(B, C, {AXES[d]})" for d in allowed)
        hint = " Add the batch and channel axes." if tensor.ndim < min(allowed) + 2 else ""
        raise ValueError(f"{function}() expects '{argument}' of shape {shapes}, got {tuple(tensor.shape)}.{hint}")
    _check_not_empty(function, argument, tensor)


def check_channels(function: str, image: Tensor, channels: int, meaning: str) -> None:
    """Check that the image of a network has the channels it was made for; a trace is not looked at."""
    if not torch.jit.is_tracing() and image.shape[1] != channels:
        shape = tuple(image.shape)
        raise ValueError(f"{function}() expects 'image' of {channels} channels, {meaning}, got {shape}.")


def check_ddf(function: str, ddf: Tensor, argument: str = "ddf") -> None:
    """Check a field `(B, d, *spatial)` of floating point numbers with d spatial axes, 2 or 3."""
    _check_tensor(function, argument, ddf)
    _check_floating(function, argument, ddf)
    axes = ddf.ndim - 2
    if axes not in AXES:
        hint = " Add the batch axis." if ddf.ndim == 3 else ""
        raise ValueError(
            f"{function}() expects '{argument}' of shape (B, 2, H, W) or (B, 3, H, W, D), got {tuple(ddf.shape)}.{hint}"
        )
    if not torch.jit.is_tracing() and ddf.shape[1] != axes:
        last = ddf.shape[-1] == axes
        expected = (ddf.shape[0], axes, *(ddf.shape[1:-1] if last else ddf.shape[2:]))
        hint = " Fields are channel-first: move the last axis to position 1." if last else ""
        raise ValueError(f"{function}() expects '{argument}' of shape {expected}, got {tuple(ddf.shape)}.{hint}")
    _check_not_empty(function, argument, ddf)


def check_points(function: str, argument: str, points: Tensor, batch: int, dims: int) -> None:
    """Check points `(B, N, d)` of floating point numbers, B being `batch` and d being `dims`."""
    _check_tensor(function, argument, points)
    _check_floating(function, argument, points)
    if torch.jit.is_tracing():
        return
    if points.ndim != 3 or (points.shape[0], points.shape[2]) != (batch, dims):
        raise ValueError(f"{function}() expects '{argument}' of shape ({batch}, N, {dims}), got {tuple(points.shape)}.")


def check_same_space(
    function: str, argument: str, tensor: Tensor, reference: Tensor, channels: int, hint: str = ""
) -> None:
    """Check that a tensor has the batch, spatial axes and device of another, `(B, C, *spatial)`, and some channels.

    The hint names the likely cause.
    """
    if torch.jit.is_tracing():
        return
    expected = (reference.shape[0], channels, *reference.shape[2:])
    if tensor.shape != expected:
        hint = f" {hint}" if hint else ""
        raise ValueError(f"{function}() expects '{argument}' of shape {expected}, got {tuple(tensor.shape)}.{hint}")
    if tensor.device != reference.device:
        raise ValueError(f"{function}() expects '{argument}' on {reference.device}, got {tensor.device}.")


def check_spatial_shape(function: str, spatial_shape: Sequence[int], dims: int) -> None:
    """Check that a shape has `dims` positive entries."""
    if len(spatial_shape) != dims or min(spatial_shape) < 1:
        raise ValueError(
            f"{function}() expects 'spatial_shape' of {dims} positive integers, got {tuple(spatial_shape)}."
        )


def check_choice(function: str, argument: str, value: str, choices: Sequence[str]) -> None:
    """Check that a word is one of the allowed ones."""
    if value not in choices:
        raise ValueError(f"{function}() expects '{argument}' to be one of {', '.join(choices)}, got {value!r}.")


def check_count(function: str, argument: str, value: int, least: int = 1) -> None:
    """Check that a number of repetitions is at least `least`."""
    if value < least:
        raise ValueError(f"{function}() expects '{argument}' of {least} or more, got {value}.")


def _check_tensor(function: str, argument: str, value: object) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{function}() expects '{argument}' to be a tensor, got {type(value).__name__}.")


def _check_not_empty(function: str, argument: str, tensor: Tensor) -> None:
    if not torch.jit.is_tracing() and 0 in tensor.shape:
        hint = "Has a crop or a mask left nothing?"
        raise ValueError(
            f"{function}() expects '{argument}' of one or more along each axis, got {tuple(tensor.shape)}. {hint}"
        )


def _check_floating(function: str, argument: str, tensor: Tensor) -> None:
    if not tensor.is_floating_point():
        raise TypeError(f"{function}() expects '{argument}' of floating point numbers, got {tensor.dtype}.")
