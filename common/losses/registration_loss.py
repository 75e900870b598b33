"""The loss of every bundle: similarity, overlap and regularization, summed over directions and levels in one place.

MONAI has the terms, and no sum of them that knows a moving image from a fixed one.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import torch
from monai.networks.utils import one_hot
from torch import Tensor, nn

from common.spatial import warp

Term = Callable[[Tensor, Tensor], Tensor]


class Prediction(Protocol):
    """What a network answers in training mode; it may leave out all but the field.

    Attributes:
        ddf: displacement on the fixed grid, `(B, d, *spatial)`, voxels.
        levels: further displacements of the same shape, for the similarity alone (deep supervision).
        reverse: the prediction on the moving grid.
    """

    ddf: Tensor
    levels: tuple[Tensor, ...]
    reverse: "Prediction | None"


class RegistrationLoss(nn.Module):
    r"""Weighted sum of the terms, each averaged over the predicted directions.

    .. math:: L = \alpha S(m \circ u, f) + \beta O(l_m \circ u, l_f) + \gamma R(u)

    The similarity is averaged over the levels of the deep supervision, too; the overlap sees the last field alone. The
    weights are attributes, for schedules to set; a term of weight 0 is not computed. Without labels in the batch there
    is no overlap term. The last values are in `terms`, for logging.

    Args:
        similarity: of the warped and the fixed image, `(B, C, *spatial)` both: a loss of MONAI or of this room.
        overlap: of warped and fixed one-hot labels, `(B, labels + 1, *spatial)` both, background first.
        regularization: of a field, `(B, d, *spatial)`.
        regularized: attribute of the prediction that is regularized.
        labels: number of labels, without the background.
        similarity_weight: alpha.
        overlap_weight: beta.
        regularization_weight: gamma.
        foreground: compare images only where both are above 0.
        padding: of moving images and labels, see `common.spatial.warp`.
    """

    def __init__(
        self,
        similarity: Term | None = None,
        overlap: Term | None = None,
        regularization: Callable[[Tensor], Tensor] | None = None,
        regularized: str = "ddf",
        labels: int = 0,
        similarity_weight: float = 1.0,
        overlap_weight: float = 1.0,
        regularization_weight: float = 1.0,
        foreground: bool = False,
        padding: str = "zeros",
    ) -> None:
        super().__init__()
        self.similarity = similarity
        self.overlap = overlap
        self.regularization = regularization
        self.regularized = regularized
        self.labels = labels
        self.similarity_weight = similarity_weight
        self.overlap_weight = overlap_weight
        self.regularization_weight = regularization_weight
        self.foreground = foreground
        self.padding = padding
        self.terms: dict[str, float] = {}

    def forward(self, prediction: Tensor | Prediction, batch: Mapping[str, Any]) -> Tensor:
        """Sum up.

        Args:
            prediction: a displacement `(B, d, *spatial)` in voxels, or what has one, see `Prediction`.
            batch: `fixed_image` and `moving_image`, `(B, C, *spatial)`; for the overlap `fixed_label` and
                `moving_label`, `(B, 1, *spatial)`, whole numbers.

        Returns:
            Scalar.

        Raises:
            ValueError: if only one of the images has labels, or one is above `labels`.
        """
        ways = [(prediction, "fixed", "moving")]
        reverse = getattr(prediction, "reverse", None)
        if reverse is not None:
            ways.append((reverse, "moving", "fixed"))
        sums: dict[str, Tensor] = {}
        for predicted, fixed, moving in ways:
            for name, value in self._terms(predicted, batch, fixed, moving).items():
                sums[name] = sums.get(name, value.new_zeros(())) + value / len(ways)
        loss = torch.stack([getattr(self, f"{name}_weight") * value for name, value in sums.items()]).sum()
        self.terms = {name: float(value.detach()) for name, value in sums.items()} | {"loss": float(loss.detach())}
        return loss

    def _terms(self, prediction: Any, batch: Mapping[str, Any], fixed: str, moving: str) -> dict[str, Tensor]:
        """The terms of one direction."""
        ddf = getattr(prediction, "ddf", prediction)
        images = batch[f"{fixed}_image"], batch[f"{moving}_image"]
        labels = self._one_hot(batch, fixed), self._one_hot(batch, moving)
        if (labels[0] is None) != (labels[1] is None):
            raise ValueError("RegistrationLoss() expects both label maps of a pair or none, got one.")
        terms: dict[str, Tensor] = {}
        both = images[1] if labels[1] is None else torch.cat([images[1], labels[1]], dim=1)
        warped = warp(both, ddf, padding=self.padding)  # images and labels in one go
        channels = images[1].shape[1]
        if self.similarity is not None and self.similarity_weight:
            others = [warp(images[1], level, padding=self.padding) for level in getattr(prediction, "levels", ())]
            similarities = [self._compare(each, images[0]) for each in (warped[:, :channels], *others)]
            terms["similarity"] = torch.stack(similarities).mean()
        if labels[0] is not None:
            terms["overlap"] = cast(Term, self.overlap)(warped[:, channels:], labels[0])
        if self.regularization is not None and self.regularization_weight:
            terms["regularization"] = self.regularization(getattr(prediction, self.regularized, ddf))
        return terms

    def _compare(self, warped: Tensor, fixed: Tensor) -> Tensor:
        if self.foreground:
            mask = (warped > 0) & (fixed > 0)
            warped, fixed = warped * mask, fixed * mask
        return cast(Term, self.similarity)(warped, fixed)

    def _one_hot(self, batch: Mapping[str, Any], side: str) -> Tensor | None:
        if self.overlap is None or not self.overlap_weight or f"{side}_label" not in batch:
            return None
        label = batch[f"{side}_label"].as_subclass(Tensor).long()
        if label.max() > self.labels:
            rule = f"'{side}_label' of values up to labels={self.labels}"
            raise ValueError(f"RegistrationLoss() expects {rule}, got {int(label.max())}.")
        return one_hot(label, self.labels + 1).float()
