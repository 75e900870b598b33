"""Pairs of a self-training: drawn by how difficult they are, each with the label of the stage.

PyTorch's `WeightedRandomSampler` draws from a state that a resumed run does not have, and by its side no sampler of
several processes fits.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from common.io import InputError

from .pair_dataset import PairDataset
from .pseudo_labels import PseudoLabels

SAMPLINGS = ("difficulty", "uniform")
STEEPNESS = 5.0


def sampling_weights(difficulties: Sequence[float] | np.ndarray) -> np.ndarray:
    r"""Weigh pairs by the ranks of their difficulty: the easiest most.

    .. math:: w_r = \sigma(5 - 10 r / (n - 1)), r = 0, ..., n - 1

    Pairs that are equally difficult get their mean weight.

    Args:
        difficulties: of n pairs: how far the instance optimization has moved the field.

    Returns:
        Weights between 0 and 1, `(n,)`.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.3 and released code.

    Example:
        >>> sampling_weights([0.3, 0.1, 0.2]).round(3)
        array([0.007, 0.993, 0.5  ])
    """
    steps = np.linspace(STEEPNESS, -STEEPNESS, len(difficulties)) if len(difficulties) > 1 else np.zeros(1)
    _, places, counts = np.unique(difficulties, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    ranked = 1 / (1 + np.exp(-steps))
    means = [ranked[end - count : end].mean() for end, count in zip(ends, counts, strict=True)]
    return np.array(means)[places]


class PseudoLabelledPairs(Dataset):
    """Pairs drawn with replacement, with the pseudo labels of a stage.

    What an item is depends on the seed, the epoch, its place and the labels alone.

    Args:
        pairs: of which the first epoch is drawn from.
        labels: of the pairs; None for pairs without any.
        length: pairs an epoch.
        sampling: "difficulty", see `sampling_weights`, or "uniform".
        seed: of the draw.

    Raises:
        InputError: if `sampling` is unknown.
    """

    def __init__(
        self,
        pairs: PairDataset,
        labels: PseudoLabels | None,
        length: int,
        sampling: str = "difficulty",
        seed: int = 0,
    ) -> None:
        if sampling not in SAMPLINGS:
            raise InputError(f"sampling is expected to be one of {', '.join(SAMPLINGS)}, got {sampling}.")
        self.pairs = pairs
        self.labels = labels
        self.length = length
        self.sampling = sampling
        self.seed = seed
        self.stage = 0
        self.weights = np.ones(len(pairs))
        self.set_epoch(1)

    def begin_stage(self, stage: int) -> None:
        """Take the labels of a stage, counted from 0; they have to be there for all pairs.

        Raises:
            InputError: if one is not.
        """
        self.stage = stage
        if self.labels is not None:
            difficulties = [self.labels.difficulty(stage, number) for number in range(len(self.pairs))]
            if self.sampling == "difficulty":
                self.weights = sampling_weights(difficulties)

    def set_epoch(self, epoch: int) -> None:
        """Draw the pairs of an epoch, counted from 1."""
        random = np.random.default_rng([self.seed, epoch])
        shares = self.weights / self.weights.sum()
        self.drawn = random.choice(len(self.pairs), self.length, p=shares)

    def __len__(self) -> int:
        """Pairs an epoch."""
        return self.length

    def __getitem__(self, index: int) -> dict[Hashable, Any]:
        """Give a pair, and its label as ``pseudo_label``, `(d, *coarse)`, voxels of its grid."""
        number = int(self.drawn[index])
        pair = self.pairs[number]
        return pair if self.labels is None else pair | {"pseudo_label": self.labels.field(self.stage, number)}
