"""The weights an evaluation begins with.

MONAI's `CheckpointLoader` takes no file of several networks, checks no sums, and says of weights that do not fit what
PyTorch says.
"""

from pathlib import Path

from ignite.engine import Events
from monai.engines import Workflow
from torch import nn

from common.io import load_weights

from ._checkpoint_files import unwrap


class LoadWeights:
    """Loads weights into a network, in every process, when a run starts.

    Args:
        network: takes the weights.
        checkpoint: file of the weights, see `common.io.read_weights`.
        checkpoint_key: name of the network in a file of several.

    When the run starts:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no weights, or names or shapes are not the network's.
    """

    def __init__(self, network: nn.Module, checkpoint: str | Path, checkpoint_key: str | None = None) -> None:
        self.network = network
        self.checkpoint = checkpoint
        self.checkpoint_key = checkpoint_key

    def attach(self, engine: Workflow) -> None:
        """Register with an engine."""
        engine.add_event_handler(Events.STARTED, self.load)

    def load(self) -> None:
        """Load."""
        load_weights(unwrap(self.network), self.checkpoint, self.checkpoint_key)
