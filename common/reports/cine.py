"""What a registered heart cycle shows: a film of it, and the area of the label at every phase."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.io import write_table, write_together

from ._area_curve import Area, draw_areas
from ._cycle import Cycle, Labels, is_cycle
from ._film import draw_film

logger = logging.getLogger("common")
FILM, TABLE, CURVE = "cine.gif", "label_area.csv", "label_area.png"


def write_cine(pairs: Sequence[Mapping[str, Any]], output_dir: str | Path) -> None:
    """Sum up the registrations of a cine scan, once all its pairs are registered.

    ``cine.gif`` shows every phase beside its registered one, in the middle slice of the labels or of the stack. With
    labels, ``label_area.csv`` and ``label_area.png`` hold the area of each, over all slices, against the phase: that of
    the label after registration, and that of the phase's own label where it is annotated. Where one phase was taken to
    all the others, the first is how the ventricle changes over the cycle; where all phases were taken to one of them,
    the first is that of this phase for a perfect registration.

    The files replace those of an earlier cine as a whole. Other pairs have no such summary, and nothing is written.

    Args:
        pairs: as registered; see `common.data.cine_pairs`.
        output_dir: folder of the results.

    Raises:
        FileNotFoundError: if a result is missing.
        OSError: if a file cannot be written.
    """
    if not is_cycle(pairs) or int(os.environ.get("RANK", 0)):  # of several processes the first one writes
        return
    output_dir = Path(output_dir)
    cycle = Cycle(pairs, output_dir)
    labels = {phase: cycle.labels(phase) for phase in cycle.phases}
    write_together(output_dir, (CURVE, TABLE, FILM), lambda folder: _write(folder, cycle, labels))
    logger.info("The cycle: %s", output_dir / FILM)


def _write(folder: Path, cycle: Cycle, labels: Mapping[int, Labels]) -> None:
    areas = _areas(cycle, labels)
    if areas:
        _write_table(folder / TABLE, areas, cycle)
        draw_areas(folder / CURVE, areas, cycle)
    draw_film(folder / FILM, cycle, labels)


def _areas(cycle: Cycle, labels: Mapping[int, Labels]) -> list[Area]:
    """Areas by label and phase, where there is one."""
    maps = {phase: (its.warped, cycle.annotated(phase, its)) for phase, its in labels.items()}
    values = {int(value) for pair in maps.values() for label in pair if label is not None for value in np.unique(label)}
    return [
        Area(phase, value, *(_area(label, value, cycle.pixel_mm2) for label in pair))
        for value in sorted(values - {0})
        for phase, pair in maps.items()
        if any(label is not None for label in pair)
    ]


def _area(label: NDArray | None, value: int, pixel_mm2: float) -> float | None:
    return None if label is None else float((label == value).sum()) * pixel_mm2


def _write_table(path: Path, areas: Sequence[Area], cycle: Cycle) -> None:
    rows = []
    for area in areas:
        numbers = {"registered_mm2": area.registered_mm2, "annotated_mm2": area.annotated_mm2}
        if cycle.slice_mm:
            volumes = [None if n is None else n * cycle.slice_mm / 1000 for n in numbers.values()]
            numbers |= dict(zip(("registered_ml", "annotated_ml"), volumes, strict=True))
        cells = {name: "" if n is None else f"{n:.2f}" for name, n in numbers.items()}
        rows.append({"phase": area.phase, "label": area.label, **cells})
    write_table(path, rows)
