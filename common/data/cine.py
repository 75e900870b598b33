"""The pairs of a cine scan: every phase of the cycle with one of them.

A list of pairs (`read_pairs`) can say the same; this writes it from one file and one number.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.io import InputError, existing_file, read_nifti, read_nifti_header

ALL = "all"


def cine_pairs(
    cine: str | Path,
    fixed_phase: int | str | None = None,
    moving_phase: int | str | None = None,
    label: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Pair the phases of a cine scan.

    Args:
        cine: 4-D NIfTI file, ``(x, y, slice, phase)``.
        fixed_phase: number of a phase, from 0, or "all". By default all, unless the moving ones are.
        moving_phase: likewise; by default the first phase that has a label, else phase 0, unless a fixed one is given:
            then all of them.
        label: label map of the same shape, where a phase without any label counts as not annotated; or one of a single
            phase, 3-D, which belongs to the phase that all others are paired with.

    Returns:
        Dictionaries as those of `read_pairs`, one for each pair of different phases, with ``fixed_phase``,
        ``moving_phase`` and the name ``pair``; label maps where their phase is annotated.

    Raises:
        FileNotFoundError: if a file is not there.
        InputError: if a file is no such NIfTI, the two do not fit, or there are no such phases.
    """
    shape = _shape(cine, "--cine")
    if len(shape) != 4 or shape[3] < 2:
        raise InputError(f"--cine {cine} is expected to be 4-D (x, y, slice, phase), got the shape {shape}.")
    annotated = _annotated_phases(label, shape) if label is not None else []
    fixed, moving = _choose(fixed_phase, moving_phase, shape[3], annotated)
    if annotated is None:  # the label map has no time: it is of the phase that was named
        annotated = moving if len(moving) == 1 else fixed
    digits = max(2, len(str(shape[3] - 1)))
    return [
        {
            **{f"{side}_image": str(cine) for side in ("fixed", "moving")},
            **{f"{side}_label": str(label) for side, t in (("fixed", f), ("moving", m)) if t in annotated},
            "fixed_phase": f,
            "moving_phase": m,
            "pair": f"phase_{f:0{digits}d}_from_{m:0{digits}d}",
        }
        for f in fixed
        for m in moving
        if f != m
    ]


def _shape(path: str | Path, option: str) -> tuple[int, ...]:
    try:
        return tuple(read_nifti_header(existing_file(path)).shape)
    except FileNotFoundError:
        raise
    except Exception as error:  # every damage raises its own kind of error
        raise InputError(f"{option} {path} cannot be read as an image: it is damaged, or no NIfTI.") from error


def _annotated_phases(label: str | Path, shape: tuple[int, ...]) -> list[int] | None:
    """Phases with a label; None for a label map without time."""
    got = _shape(label, "--label")
    if got not in (shape, shape[:3]):
        raise InputError(f"--label {label} is expected to have the shape {shape} of the cine or a phase, got {got}.")
    if len(got) == 3:
        return None
    labels, _ = read_nifti(Path(label))
    annotated = [phase for phase in range(shape[3]) if labels[..., phase].any()]
    if not annotated:
        raise InputError(f"--label {label} holds no label at any phase.")
    return annotated


def _choose(
    fixed_phase: int | str | None, moving_phase: int | str | None, count: int, annotated: Sequence[int] | None
) -> tuple[list[int], list[int]]:
    """Fixed and moving phases, one of the two lists of a single phase."""
    if fixed_phase == ALL and moving_phase is None:
        fixed_phase = None
    if fixed_phase is None and moving_phase in (None, ALL):
        if annotated is None:
            raise InputError("--label has no time axis: say with --moving_phase or --fixed_phase which phase it is of.")
        first = annotated[0] if annotated else 0
        fixed_phase, moving_phase = (ALL, first) if moving_phase is None else (first, ALL)
    fixed, moving = (
        _phases(option, value, count)
        for option, value in (("fixed_phase", fixed_phase), ("moving_phase", moving_phase))
    )
    if len(fixed) > 1 and len(moving) > 1:
        raise InputError("Only one of --fixed_phase and --moving_phase can be all: give the other one as a number.")
    if fixed == moving:
        raise InputError(f"--fixed_phase and --moving_phase are expected to differ, got {fixed[0]} for both.")
    return fixed, moving


def _phases(option: str, value: int | str | None, count: int) -> list[int]:
    if value in (None, ALL):
        return list(range(count))
    if isinstance(value, bool) or not str(value).isdigit() or int(str(value)) >= count:
        raise InputError(f"--{option} is expected to be a number from 0 to {count - 1} or {ALL}, got {value}.")
    return [int(str(value))]
