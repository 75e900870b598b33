"""Reading the scans and label maps of a pair, and checking that they fit together."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple

from common.io import ONE_SLICE, InputError, find_spatial_dims, fit_label, has_one_slice, read_scan


class LoadScansd(MapTransform):
    """Read the scans and label maps of a pair, and check that they fit together.

    ``fixed_phase``, ``moving_phase`` or, of a single case, ``phase`` says which time to take of its files, see
    `read_scan`.

    Args:
        keys: entries that hold paths of scans.
        label_keys: entries that hold paths of label maps or masks; ``fixed_*`` must lie on the grid of ``fixed_image``,
            ``moving_*`` on that of ``moving_image``, ``label`` on that of ``image``, whatever the order and direction
            of its three axes, which become those of the scan, see `fit_label`. Absent entries are left out.
        spatial_dims: 2 or 3; None for those of the first scan of each pair.

    Raises:
        InputError: if a label map does not have the shape of its scan, or its header puts a voxel more than half a
            voxel away from that of the scan, or it holds negative labels, or as a mask nothing; if a scan is one slice
            where 3 dimensions are asked for; and whatever `read_scan` raises.
    """

    def __init__(self, keys: KeysCollection, label_keys: KeysCollection = (), spatial_dims: int | None = 3) -> None:
        super().__init__(keys)
        self.label_keys = ensure_tuple(label_keys)
        self.spatial_dims = spatial_dims

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Replace the paths by MetaTensors ``(1, *spatial)``."""
        if missing := [str(key) for key in self.keys if key not in data]:
            raise InputError(f"Here scans are registered, and the pair names no {' and no '.join(missing)}.")
        loaded = dict(data)
        dims = self.spatial_dims or find_spatial_dims(data[self.keys[0]], _phase(data, self.keys[0]))
        for key in self.keys:
            loaded[key] = read_scan(data[key], dims, phase=_phase(data, key))
            if self.spatial_dims == 3:
                _check_volume(loaded[key], data[key])
            loaded[key].meta[ONE_SLICE] = dims == 2 and has_one_slice(data[key])
        for key in self.label_keys:
            if key in data:
                scan = loaded[str(key).replace("label", "image").replace("mask", "image")]
                label = read_scan(data[key], dims, label=True, phase=_phase(data, key))
                _check_labels(label, data[key], mask="mask" in str(key))
                loaded[key] = fit_label(label, scan, data[key])
        return loaded


def _phase(data: Mapping[Any, Any], key: Hashable) -> int | None:
    side, joint, _ = str(key).rpartition("_")
    phase: int | None = data.get(f"{side}{joint}phase")
    return phase


def _check_volume(scan: MetaTensor, path: str | Path) -> None:
    shape = tuple(scan.shape[1:])
    if 1 in shape:
        raise InputError(
            f"{path} is expected to be a volume, got one slice, of shape {shape}: register slices with spatial_dims 2, "
            "or with a bundle for them, cardiac_mr_dirnet."
        )


def _check_labels(label: MetaTensor, path: str | Path, mask: bool) -> None:
    """What is measured are labels from 0 on: a map with others can be carried along by a field, but not compared."""
    if int(label.min()) < 0:
        raise InputError(
            f"{path} is expected to hold labels from 0 on, got {int(label.min())}: give it another number."
        )
    if mask and not bool((label > 0).any()):
        raise InputError(f"{path} is expected to be a mask, but no voxel of it is above 0: leave it out.")
