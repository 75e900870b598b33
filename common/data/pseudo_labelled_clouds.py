"""Pairs of clouds of a self-training, thinned to as many points each."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import torch

from common.io import InputError

from .pseudo_labelled_pairs import PseudoLabelledPairs
from .pseudo_labels import PseudoLabels


class PseudoLabelledClouds(PseudoLabelledPairs):
    """Draws pairs, see `PseudoLabelledPairs`, and of each as many points, so that they make a batch.

    Args:
        pairs: with both clouds in ``image``, `(N + M, 4)`, see `common.networks.nets.PointRegistrationNet`.
        labels: displacement of the fixed points, `(N, 3)`.
        length: pairs an epoch.
        points: fixed and moving points drawn of each pair.
        seed: of the draws.
    """

    def __init__(
        self,
        pairs: Any,
        labels: PseudoLabels | None,
        length: int,
        points: tuple[int, int] = (1024, 2048),
        seed: int = 0,
    ) -> None:
        super().__init__(pairs, labels, length, "uniform", seed)
        self.points = points

    def set_epoch(self, epoch: int) -> None:
        """Draw the pairs of an epoch, counted from 1."""
        super().set_epoch(epoch)
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[Hashable, Any]:
        """Give a pair: ``image``, `(points, 4)`, and ``pseudo_label``, `(fixed points, 3)`, in the same frame.

        Raises:
            InputError: if a cloud has too few points.
        """
        pair = super().__getitem__(index)
        random = np.random.default_rng([self.seed, self.epoch, index])
        clouds, drawn = torch.as_tensor(pair["image"]), []
        for side, wanted in enumerate(self.points):
            places = (clouds[:, 3] == side).nonzero()[:, 0].numpy()
            if len(places) < wanted:
                raise InputError(
                    f"A training with points of {self.points} got a cloud of {len(places)}: ask for fewer."
                )
            drawn.append(torch.from_numpy(random.permutation(places)[:wanted]))
        item: dict[Hashable, Any] = {"image": clouds[torch.cat(drawn)]}
        if "pseudo_label" in pair:  # the fixed points come first
            item["pseudo_label"] = pair["pseudo_label"][drawn[0]]
        return item
