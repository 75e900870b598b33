"""What a network alone would have given, where its answer was optimized for the pair."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from monai.transforms import Transform

REFINEMENT = "refinement"
MEASURES = ("dice", "hd95_mm", "tre_mm", "similarity", "folding_percent", "folding_inside_percent", "sdlogj")


class MeasureNetworkd(Transform):
    """Measure a pair a second time, by the network's answer alone.

    Args:
        steps: from ``pred``, ``(d, *working)``, and its ``refinement`` to ``metrics``, as for the optimized field.

    Adds to ``metrics``, where there is a refinement, see `RefineFieldd`, ``network_alone``: means after the
    registration by ``pred`` without it.
    """

    def __init__(self, steps: Sequence[Callable]) -> None:
        self.steps = tuple(steps)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Measure."""
        if REFINEMENT not in data:
            return dict(data)
        alone: Mapping[Any, Any] = {key: value for key, value in data.items() if key != REFINEMENT}
        for step in self.steps:
            alone = step(alone)
        found = {name: alone["metrics"][name] for name in MEASURES if name in alone["metrics"]}
        means = {name: each["after"] if isinstance(each, Mapping) else each for name, each in found.items()}
        return {**data, "metrics": {**data["metrics"], "network_alone": means}}
