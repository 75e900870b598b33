"""Reading the key points of a pair."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from common.io import InputError, read_points


class LoadPointsd(MapTransform):
    """Read the points of a pair: paths become ``(N, d)`` tensors, LPS mm, NaN where a point is undefined.

    Absent entries are left out. Adds ``*_keypoints_file``, the path, and ``*_keypoints_labels``, the names, where there
    are any.

    Args:
        keys: entries that hold paths of points.
        spatial_dims: 2 or 3; None for those of ``fixed_image``, which has been read.
    """

    def __init__(self, keys: KeysCollection, spatial_dims: int | None = 3) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.spatial_dims = spatial_dims

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Read every file.

        Raises:
            InputError: if fixed and moving key points are not equally many, or have the same names in another order.
        """
        loaded = dict(data)
        for key in self.key_iterator(loaded):
            loaded[f"{key}_file"] = str(loaded[key])
            points = read_points(loaded[key], self.spatial_dims or data["fixed_image"].ndim - 1)
            loaded[key] = points.positions
            if points.labels:
                loaded[f"{key}_labels"] = points.labels
        counts = {key: len(loaded[key]) for key in self.key_iterator(loaded)}
        if len(set(counts.values())) > 1:
            text = ", ".join(f"{count} {key}" for key, count in counts.items())
            raise InputError(f"Key points are expected to come in pairs, got {text}.")
        names = [loaded.get(f"{key}_labels", ()) for key in self.key_iterator(loaded)]
        if len(set(names)) > 1 and sorted(names[0]) == sorted(names[1]):
            raise InputError("Key points correspond by their order, but fixed and moving have their names in another.")
        return loaded
