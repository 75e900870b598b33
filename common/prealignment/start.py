"""The choice of a start: many candidates, one measure, and never worse than the headers.

Candidates are the headers, the offsets between centers, centers of mass and what the search on very coarse scans finds,
and scans turned by right angles; the best of them are refined to rigid and affine transforms by block matching. All are
compared by `Match.likeness`.
"""

import itertools
from typing import Any, NamedTuple

import torch

from common.spatial import center_of

from .coarse import Coarse
from .fit import fit_linear
from .matching import BlockMatching, Match
from .translation_search import score, shrink_both

STEPS = {"rigid": ("rigid", "rigid"), "affine": ("rigid", "rigid", "affine")}
REFINED = 2  # candidates that are refined
MINIMUM_OVERLAP = 0.2  # share of the fixed scan: less is too little to tell a likeness from chance
GAIN = 0.02  # of likeness by which another start must beat the headers, who are right more often than not
TURNED = 2  # turned scans that are matched, the likeliest by mutual information
TURNED_GAIN = 0.05  # by which one must beat all others: headers are seldom that wrong
PROMISING = 0.15  # a turned scan that is less alike than the best by more is not refined
DOUBTFUL = 0.4  # likeness below which a start is said to be doubtful
# Bodies of two adults differ by less: of affine transforms beyond, most are wrong.
LARGEST_STRETCH = 1.6  # along any axis, or its inverse
LARGEST_SHEAR = 1.6  # longest over shortest axis of the ellipsoid a ball becomes


class Start(NamedTuple):
    """A start and why it was taken.

    Attributes:
        matrix: fixed to moving world points, LPS mm, ``(d + 1, d + 1)``, float64.
        record: ``taken``, the candidate's name; ``likeness`` of each candidate; ``warnings``, sentences.
    """

    matrix: torch.Tensor
    record: dict[str, Any]


class Candidate(NamedTuple):
    """A transform with its name, what matching under it gives, and the likeness; -1 where the scans hardly overlap."""

    name: str
    matrix: torch.Tensor
    match: Match
    likeness: float


def choose_start(fixed: Coarse, moving: Coarse, offsets: dict[str, torch.Tensor], kind: str) -> Start:
    """Compare and refine candidates.

    Args:
        fixed: the scan that stays.
        moving: the scan that is brought onto it.
        offsets: candidates by name, the headers first, matrices from fixed to moving world points, LPS mm.
        kind: "rigid" or "affine", how far they are refined.
    """
    search = _Search(BlockMatching(fixed, moving))
    different = {name: m for name, m in offsets.items() if not any(torch.equal(m, n) for n in _before(name, offsets))}
    headers, *others = [search.measure(name, matrix) for name, matrix in different.items()]
    best = sorted([headers, *others], key=lambda c: -c.likeness)[:REFINED]
    chosen = max([*others, *[search.refine(candidate, STEPS[kind]) for candidate in best]], key=lambda c: c.likeness)
    if headers.likeness > -1 and chosen.likeness < headers.likeness + GAIN:
        chosen = headers
    for handed in (1, -1):
        turned = search.turned(fixed, moving, offsets["moments"], handed, chosen.likeness - PROMISING)
        if turned.likeness > chosen.likeness + TURNED_GAIN:
            search.warnings.append(f"The headers seem to be wrong: the scans match with the moving one {turned.name}.")
            chosen = turned if handed == 1 else chosen
    if headers.likeness == -1:
        search.warnings.append(f"The headers put the scans apart: they were brought together ({chosen.name}).")
    if chosen.likeness < DOUBTFUL:
        search.warnings.append(f"The start is doubtful: the scans are little alike under it ({chosen.likeness:.2f}).")
    return Start(chosen.matrix, {"taken": chosen.name, "likeness": search.likeness, "warnings": search.warnings})


class _Search:
    def __init__(self, match: BlockMatching) -> None:
        self.match = match
        self.likeness: dict[str, float] = {}
        self.warnings: list[str] = []

    def measure(self, name: str, matrix: torch.Tensor) -> Candidate:
        match = self.match(matrix)
        likeness = match.likeness if match.overlap >= MINIMUM_OVERLAP else -1.0
        self.likeness[name] = max(round(likeness, 4), self.likeness.get(name, -1.0))
        return Candidate(name, matrix, match, likeness)

    def refine(self, start: Candidate, steps: tuple[str, ...]) -> Candidate:
        """The best of the transforms on the way from a candidate; an implausible one ends it."""
        best = last = start
        for kind in steps:
            matrix = last.matrix @ fit_linear(last.match, kind)
            if not plausible(matrix):
                self.warnings.append(f"An affine transform was refused, it stretches too much (from: {start.name}).")
                break
            last = self.measure(f"{start.name}, {kind}", matrix)
            best = max(best, last, key=lambda c: c.likeness)
        return best

    def turned(self, fixed: Coarse, moving: Coarse, middle: torch.Tensor, handed: int, promising: float) -> Candidate:
        """The best of the scans turned by right angles about their centers of mass, rigidly refined; mirrored if -1."""
        small = shrink_both(fixed, moving)
        center = center_of(fixed.grid)
        matrices = {}
        for rotation in right_angles(len(center), handed):
            matrix = torch.eye(len(center) + 1, dtype=torch.float64)
            matrix[:-1, :-1], matrix[:-1, -1] = rotation, center - rotation @ center
            matrices[_describe(rotation, handed)] = middle @ matrix
        names = sorted(matrices, key=lambda name: -score(*small, matrices[name]))[:TURNED]
        turned = max((self.measure(name, matrices[name]) for name in names), key=lambda c: c.likeness)
        return self.refine(turned, STEPS["rigid"]) if turned.likeness > promising else turned


def _before(name: str, offsets: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    return list(offsets.values())[: list(offsets).index(name)]


def plausible(matrix: torch.Tensor) -> bool:
    """Whether one body could look like another under a linear transform."""
    stretch = torch.linalg.svdvals(matrix[:-1, :-1])
    return bool(
        stretch.max() <= LARGEST_STRETCH
        and stretch.min() >= 1 / LARGEST_STRETCH
        and stretch.max() / stretch.min() <= LARGEST_SHEAR
    )


def right_angles(dims: int, handed: int) -> list[torch.Tensor]:
    """All rotations by multiples of 90 degrees but none at all (1), or all of them with a mirror (-1)."""
    turns = []
    for axes in itertools.permutations(range(dims)):
        for signs in itertools.product((1.0, -1.0), repeat=dims):
            rotation = torch.eye(dims, dtype=torch.float64)[list(axes)] * torch.tensor(signs, dtype=torch.float64)
            if round(float(torch.linalg.det(rotation))) == handed:
                turns.append(rotation)
    return turns[handed == 1 :]  # the first of the rotations is none


def _describe(rotation: torch.Tensor, handed: int) -> str:
    """Where the axes to the left, the back and the head of the fixed scan go: "turned to -L -P +S"."""
    axes = ["LPS"[int(column.abs().argmax())] for column in rotation.T]
    signs = ["-+"[int(column.sum() > 0)] for column in rotation.T]
    turned = " ".join(sign + axis for sign, axis in zip(signs, axes, strict=True))
    return f"{'turned' if handed == 1 else 'mirrored'} to {turned}"
