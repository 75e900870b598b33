"""Which features a registration is computed from: given, random or trained."""

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from common.features import MINDSSC
from common.io import InputError, load_weights, read_weights
from common.networks.blocks.padding import pad_to_multiple
from common.optimization import KNOWN, Described, coarsen_features

FEATURES = ("mind", "random", "segmentation", "trained")
PART = "features"  # of a `CoupledConvexNet`, whose training writes it so


class FeatureExtractor(Protocol):
    """What computes features: a module with the attribute `centered`, see `resample_lattice`."""

    centered: bool

    def __call__(self, image: Tensor, stride: int) -> Tensor:
        """Turn `(B, 1, *spatial)` into `(B, C, *spatial / stride)`."""


def describe(
    features: FeatureExtractor, image: Tensor, stride: int, scale: float = 1.0, unbounded: bool = False
) -> Described:
    """Describe an image as a registration sees it.

    Args:
        features: of its gray values.
        image: `(B, 2 + L, *spatial)`: gray values, field of view, 1 or 0, and L features that guide.
        stride: side of a voxel of the description, voxels; sizes it does not divide are filled up.
        scale: factor of the features of the gray values.
        unbounded: what lies beyond the field of view counts.
    """
    image, centered = pad_to_multiple(image, stride), features.centered
    described = features(image[:, :1], stride) * scale
    seen = coarsen_features(image[:, 1:2], stride, centered)
    seen = torch.ones_like(seen) if unbounded else (seen >= KNOWN).to(image.dtype)
    guides = coarsen_features(image[:, 2:], stride, centered)
    return Described(torch.cat([described, guides], 1) if guides.shape[1] else described, seen)


def select_features(kind: str, network: nn.Module, checkpoint: str | Path) -> nn.Module:
    """Choose the feature extractor.

    Args:
        kind: "mind" for MIND-SSC, "segmentation" likewise, which gets the features of a segmentation beside it;
            "random" for the network as it is, "trained" for the network with loaded weights.
        network: feature network.
        checkpoint: its weights, or those of a `CoupledConvexNet` with it, see `common.io.load_weights`; read with
            "trained" alone.

    Returns:
        The extractor, in evaluation mode.

    Raises:
        InputError: if the kind is unknown or the weights do not fit.
        FileNotFoundError: if there are no weights.
    """
    if kind not in FEATURES:
        raise InputError(f"--features is expected to be one of {', '.join(FEATURES)}, got {kind}.")
    if kind in ("mind", "segmentation"):
        return MINDSSC().eval()
    if kind == "trained":
        names = read_weights(checkpoint, "model")
        whole = all(name.startswith(f"{PART}.") for name in names)
        load_weights(nn.ModuleDict({PART: network}) if whole else network, checkpoint, "model")
    return network.eval()
