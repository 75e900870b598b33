"""Label maps of different data sets in the numbers of one.

MONAI's `MapLabelValue` cannot tell a right from a left kidney, and knows nothing of what a data set does not annotate.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from common.io import InputError

LabelMap = Mapping[Any, int | Sequence[int]]
SOURCES = ("annotated", "label_map", "cohort")


def map_labels(label: MetaTensor, label_map: LabelMap) -> MetaTensor:
    """Call labels by other numbers; a label that is not named becomes background.

    Args:
        label: ``(1, *spatial)``, whole numbers; its affine tells right from left.
        label_map: what each label becomes; a pair is a right and a left organ, told apart by the mean position across
            the body of all labels with this pair.

    Returns:
        The same shape and type.

    Raises:
        InputError: if an entry is neither a whole number nor a pair of them.
    """
    mapped: MetaTensor = torch.zeros_like(label)  # type: ignore[assignment]
    pairs: dict[tuple[int, ...], torch.Tensor] = {}
    for source, target in label_map.items():
        mask = label.as_tensor() == int(source)
        organs = tuple(target) if isinstance(target, Sequence) and not isinstance(target, str) else (int(target),)
        if len(organs) == 1:
            mapped[mask] = organs[0]
        elif len(organs) == 2:
            pairs[organs] = pairs.get(organs, torch.zeros_like(mask)) | mask
        else:
            raise InputError(f"map_labels() expects 'label_map' of an organ or [right, left], got {target}.")
    for organs, mask in pairs.items():
        places = mask[0].nonzero()  # (N, d)
        across = places.double() @ torch.as_tensor(label.affine)[0, : places.shape[1]].double()  # mm; RAS: right is +
        right = across > across.mean()
        mapped[0][tuple(places[right].T)] = organs[0]
        mapped[0][tuple(places[~right].T)] = organs[1]
    return mapped


class OrganLabelsd(Transform):
    """Give the label map of a case the numbers of the network, and say which organs it annotates.

    ``label_map`` of the case is applied to ``label``, see `map_labels`, and labels above the number of organs become
    background. ``annotated``, organs by number, becomes flags ``(organ_count,)``; all if it is absent.

    Args:
        organ_count: how many there are, numbered from 1.
    """

    def __init__(self, organ_count: int) -> None:
        self.organ_count = int(organ_count)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Map.

        Raises:
            InputError: if an annotated organ has a number that is not from 1 to the number of organs.
        """
        label = data["label"]
        if "label_map" in data:
            label = map_labels(label, data["label_map"])
        label = torch.where(label > self.organ_count, 0, label)
        annotated = [int(organ) for organ in data.get("annotated", range(1, self.organ_count + 1))]
        if not set(annotated) <= set(range(1, self.organ_count + 1)):
            raise InputError(f"OrganLabelsd() expects 'annotated' from 1 to {self.organ_count}, got {annotated}.")
        flags = torch.zeros(self.organ_count)
        flags[[organ - 1 for organ in annotated]] = 1
        return {key: value for key, value in data.items() if key not in SOURCES} | {"label": label, "annotated": flags}
