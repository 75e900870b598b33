"""What the registrations of a cine scan left behind, phase by phase."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from monai.data import MetaTensor
from numpy.typing import NDArray

from common.io import find_spatial_dims, grid_of, read_scan

from ._planes import PLANES, Plane, choose_planes, middle_along
from .report import canonical_orientation, to_canonical


class Labels(NamedTuple):
    """Canonical label maps of one phase, where there are such: of the fixed scan, the moving one, the warped one."""

    fixed: NDArray | None
    moving: NDArray | None
    warped: NDArray | None


class Cycle:
    """A cine scan whose phases were registered to one of them, or one of them to all the others.

    Args:
        pairs: of one cine, as `common.data.cine_pairs` has them.
        output_dir: folder of the results.
    """

    def __init__(self, pairs: Sequence[Mapping[str, Any]], output_dir: Path) -> None:
        self.carried = len({pair["moving_phase"] for pair in pairs}) == 1  # one phase was taken to all the others
        self.one, self.other = ("moving", "fixed") if self.carried else ("fixed", "moving")
        self.reference = int(pairs[0][f"{self.one}_phase"])
        self.pairs = {int(pair[f"{self.other}_phase"]): pair for pair in pairs}
        self.phases = sorted({self.reference, *self.pairs})
        self.path = Path(pairs[0]["fixed_image"])
        self.output_dir = output_dir
        self.dims = find_spatial_dims(self.path, self.reference)
        first = self._read(self.path, self.reference)
        self.orientation, order = canonical_orientation(first)
        spacing = grid_of(first).spacing
        self.spacing = [float(spacing[axis]) for axis in order]
        self.pixel_mm2 = float(spacing[:2].prod())
        self.slice_mm = float(spacing[2]) if self.dims == 3 else None

    def original(self, phase: int) -> NDArray:
        """A phase as it was, canonical."""
        return to_canonical(self._read(self.path, phase))

    def registered(self, phase: int) -> NDArray:
        """The warped image that belongs to a phase, canonical; of the reference itself the original."""
        if phase == self.reference:
            return self.original(phase)
        return to_canonical(read_scan(self._result(phase, "warped_image"), self.dims))

    def labels(self, phase: int) -> Labels:
        """Label maps of the pair that belongs to a phase; of the reference its own, which no registration has moved."""
        if phase == self.reference:
            label = self._label(next(iter(self.pairs.values())), self.one)
            return Labels(None, label, label) if self.carried else Labels(label, None, label)
        warped = self._result(phase, "warped_label")
        return Labels(
            self._label(self.pairs[phase], "fixed"),
            self._label(self.pairs[phase], "moving"),
            to_canonical(read_scan(warped, self.dims, label=True)) if warped.is_file() else None,
        )

    def annotated(self, phase: int, labels: Labels) -> NDArray | None:
        """Of the label maps of a phase that of the phase itself."""
        side = self.one if phase == self.reference else self.other
        return labels.fixed if side == "fixed" else labels.moving

    def plane(self, mask: NDArray) -> Plane:
        """The slice in the middle of a canonical mask; in the middle of the stack where it is empty."""
        if self.dims == 2:
            return choose_planes(mask)[0]
        axis, direction = self.orientation[2].astype(int)  # along which the slices of the file follow each other
        position, count = middle_along(mask, axis), mask.shape[axis]
        number = position if direction > 0 else count - 1 - position
        return PLANES[axis]._replace(name=f"slice {number + 1}/{count}", position=position)

    def _read(self, path: Path | str, phase: int, label: bool = False) -> MetaTensor:
        return read_scan(path, self.dims, label=label, phase=phase)

    def _label(self, pair: Mapping[str, Any], side: str) -> NDArray | None:
        path = pair.get(f"{side}_label")
        return None if path is None else to_canonical(self._read(path, pair[f"{side}_phase"], label=True))

    def _result(self, phase: int, name: str) -> Path:
        return self.output_dir / str(self.pairs[phase]["pair"]) / f"{name}.nii.gz"


def is_cycle(pairs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether several pairs are those of one phase of one file with the others."""
    if len(pairs) < 2 or not all({"pair", "fixed_phase", "moving_phase"} <= set(pair) for pair in pairs):
        return False
    files = {str(pair[f"{side}_image"]) for pair in pairs for side in ("fixed", "moving")}
    return len(files) == 1 and any(
        len({pair[one] for pair in pairs}) == 1 and len({pair[other] for pair in pairs}) == len(pairs)
        for one, other in (("fixed_phase", "moving_phase"), ("moving_phase", "fixed_phase"))
    )
