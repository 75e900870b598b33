"""What TensorBoard is told of a run: loss and curricula at every iteration, the metrics of every validation.

MONAI's `TensorBoardStatsHandler` writes them; it knows neither the terms nor that one process of several is enough.
"""

from pathlib import Path

from monai.engines import SupervisedTrainer, Workflow
from monai.handlers import TensorBoardStatsHandler

from ._loss_terms import curricula, loss_terms


class TensorBoard:
    """Writes to a folder what the engine it is attached to, a trainer or an evaluator, has to tell.

    Of several processes the first writes.

    Args:
        log_dir: the folder; made if it is not there.
    """

    def __init__(self, log_dir: str | Path) -> None:
        self.log_dir = str(log_dir)

    def attach(self, engine: Workflow) -> None:
        """Register with a trainer or an evaluator."""
        if engine.state.rank:
            return
        if isinstance(engine, SupervisedTrainer):
            handler = TensorBoardStatsHandler(
                log_dir=self.log_dir, epoch_log=False, output_transform=lambda _: loss_terms(engine) | curricula(engine)
            )
        else:
            handler = TensorBoardStatsHandler(log_dir=self.log_dir, iteration_log=False)
        handler.attach(engine)
