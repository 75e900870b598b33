"""A curriculum in a training: its value at each iteration, from the iteration alone, and told to who logs.

MONAI's `ParamSchedulerHandler` sets values, too, after an iteration unless it is told otherwise; nothing logs them.
"""

from collections.abc import Callable

from ignite.engine import Engine, Events

from common.networks.layers import CurriculumHooks


class Curriculum:
    """Sets the value of a curriculum before each iteration of a training, and ends it with the training.

    The value belongs to the iteration: a resumed run has those of an uninterrupted one. `MetricsCsv`, `TensorBoard` and
    `Progress` log it beside the losses; it is in `engine.state.curricula`, by its name.

    Args:
        of: `common.networks.layers.InputBlur`, `CurriculumDropout` or `CurriculumSmoothing` of the network.
        schedule: of the iteration, which here counts from 0, such as `common.handlers.linear`.

    Example:
        >>> from functools import partial
        >>> from torch import nn
        >>> from common.handlers import linear
        >>> from common.networks.layers import InputBlur
        >>> network, trainer = nn.Conv3d(2, 3, 3), Engine(lambda engine, batch: None)
        >>> Curriculum(InputBlur(network), partial(linear, start=1.0, end=0.0, over=4)).attach(trainer)
        >>> values = trainer.add_event_handler("ITERATION_COMPLETED", lambda: print(trainer.state.curricula))
        >>> state = trainer.run(range(2))
        {'curriculum_input_blur': 1.0}
        {'curriculum_input_blur': 0.75}
    """

    def __init__(self, of: CurriculumHooks, schedule: Callable[[int], float]) -> None:
        self.curriculum = of
        self.schedule = schedule

    def attach(self, engine: Engine) -> None:
        """Register with a trainer of MONAI or Ignite."""
        engine.add_event_handler(Events.ITERATION_STARTED, self.advance)
        engine.add_event_handler(Events.COMPLETED, self.curriculum.remove)

    def advance(self, engine: Engine) -> None:
        """Set the value of the iteration that starts."""
        self.curriculum.value = self.schedule(engine.state.iteration - 1)
        values = {**getattr(engine.state, "curricula", {}), self.curriculum.name: self.curriculum.value}
        vars(engine.state)["curricula"] = values
