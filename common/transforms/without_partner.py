"""Sentences about the points and voxels of the moving scan that have no single place in the fixed one."""

from collections.abc import Sequence

from .warp import PulledPoints

REASONS = {"outside": "beyond the field", "folded": "where the field folds"}


def voxels_without_partner(pulled: PulledPoints) -> str:
    """Say how many voxels there are, and why; an empty text if there are none.

    Args:
        pulled: from `invert_field`.
    """
    counts = {text: int(getattr(pulled, name).sum()) for name, text in REASONS.items()}
    if not sum(counts.values()):
        return ""
    reasons = ", ".join(f"{count} {text}" for text, count in counts.items() if count)
    share = f"{sum(counts.values())} of {len(pulled.points)} voxels"
    return f"{share} have no single place in the fixed scan, they hold the background: {reasons}"


def points_without_partner(pulled: PulledPoints, labels: Sequence[str] = (), side: str = "fixed") -> str:
    """Say which points there are, and why; an empty text if there are none.

    Args:
        pulled: from `pull_points`.
        labels: names of the points; without any, they are called by their numbers from 1.
        side: the scan they were brought to.
    """
    names = labels or [str(number + 1) for number in range(len(pulled.points))]
    lists = {
        text: [name for name, each in zip(names, getattr(pulled, reason).tolist(), strict=True) if each]
        for reason, text in REASONS.items()
    }
    count = sum(map(len, lists.values()))
    if not count:
        return ""
    reasons = "; ".join(f"{', '.join(each)} {text}" for text, each in lists.items() if each)
    return f"{count} of {len(names)} points have no single place in the {side} scan, they are undefined: {reasons}"
