"""Which features a registration is computed from: given, random or trained."""

from pathlib import Path

import torch
from torch import nn

from common.features import MINDSSC

FEATURES = ("mind", "random", "trained")


def select_features(kind: str, network: nn.Module, checkpoint: str | Path) -> nn.Module:
    """Choose the feature extractor.

    Args:
        kind: "mind" for MIND-SSC, "random" for the network as it is, "trained" for the network with loaded weights.
        network: feature network.
        checkpoint: its weights, a state dict or ``{"model": state dict}``; read with "trained" alone.

    Returns:
        The extractor, in evaluation mode.

    Raises:
        ValueError: if the kind is unknown or the weights do not fit.
        FileNotFoundError: if there are no weights.
    """
    if kind not in FEATURES:
        raise ValueError(f"--features is expected to be one of {', '.join(FEATURES)}, got {kind}.")
    if kind == "mind":
        return MINDSSC().eval()
    if kind == "trained":
        network.load_state_dict(_read_weights(Path(checkpoint)))
    return network.eval()


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"There are no trained weights at {path}: use --features mind or random.")
    weights = torch.load(path, map_location="cpu", weights_only=True)
    return dict(weights.get("model", weights))
