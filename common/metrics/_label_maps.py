"""Label maps as the metrics want them: plain tensors of whole numbers on one grid."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

COUNTABLE = 2**16  # atlases number their structures up to hundreds of millions


def as_label_pair(function: str, warped_label: Any, fixed_label: Any) -> tuple[Tensor, Tensor]:
    """Two integer tensors of the same shape; images of floats (as readers and warps give them) are converted.

    Args:
        function: name of the public function, for the message.
        warped_label: any shape; tensor, `MetaTensor` or array.
        fixed_label: the same shape.

    Raises:
        ValueError: if the shapes differ or a value is negative or not whole.
    """
    fixed = _as_labels(function, "fixed_label", fixed_label)
    warped = _as_labels(function, "warped_label", warped_label)
    if fixed.shape != warped.shape:
        raise ValueError(
            f"{function}() expects 'warped_label' of shape {tuple(fixed.shape)}, got {tuple(warped.shape)}. "
            "Warp the moving label onto the fixed grid first."
        )
    return warped, fixed


def present_labels(*label_maps: Tensor) -> list[int]:
    """Labels that occur in any of the maps, ascending, without the background 0."""
    present: set[int] = set()
    for label_map in label_maps:
        countable = largest_label(label_map) <= COUNTABLE  # much quicker
        found = label_map.flatten().bincount().nonzero() if countable else label_map.unique()
        present |= set(found.flatten().tolist())
    return sorted(present - {0})


def largest_label(*label_maps: Tensor) -> int:
    """The largest number in any of the maps, 0 where there are no voxels."""
    return max([int(label_map.max()) for label_map in label_maps if label_map.numel()], default=0)


def numbered(labels: Sequence[int], *label_maps: Tensor) -> tuple[list[int], list[Tensor]]:
    """Call labels by small numbers, where a list of all up to the largest, as counting needs it, would fill the memory.

    Returns:
        The number of each label, and maps in which the labels have these numbers; others are background then.
    """
    if max(largest_label(*label_maps), *labels, 0) <= COUNTABLE:
        return list(labels), list(label_maps)
    ordered = sorted({*labels})
    maps = []
    for label_map in label_maps:
        known = torch.tensor([*ordered, torch.iinfo(torch.long).max], device=label_map.device)
        place = torch.searchsorted(known, label_map.long())
        maps.append(torch.where(known[place] == label_map, place + 1, 0))
    return [ordered.index(label) + 1 for label in labels], maps


def wanted_labels(labels: Sequence[int] | None, *label_maps: Tensor) -> list[int]:
    """The labels asked for, else those present."""
    return present_labels(*label_maps) if labels is None else [int(label) for label in labels]


def _as_labels(function: str, argument: str, label_map: Any) -> Tensor:
    labels = torch.as_tensor(label_map).as_subclass(Tensor)
    if labels.is_floating_point():
        whole = labels.round()
        if not torch.equal(whole, labels):
            raise ValueError(
                f"{function}() expects '{argument}' of whole numbers, got values in between. "
                "Warp label maps with mode='nearest'."
            )
        labels = whole.int()
    if labels.dtype == torch.bool:
        labels = labels.byte()
    if labels.numel() and labels.min() < 0:
        raise ValueError(f"{function}() expects '{argument}' without negative labels, got {int(labels.min())}.")
    return labels
