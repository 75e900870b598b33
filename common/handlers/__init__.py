"""What a training run needs around MONAI's trainer: to be resumed exactly, stopped in time, watched and measured."""

from ._checkpoint_files import newest_checkpoint
from .checkpoint import TrainingCheckpoint, check_no_checkpoints
from .curriculum import Curriculum
from .epoch_seed import EpochSeed
from .metrics_csv import MetricsCsv
from .non_finite import StopOnNonFinite
from .packing import pack_mean_weights, pack_weights
from .pair_results import PairResults
from .point_self_training import PointSelfTrainingCycle
from .progress import Progress
from .progression import progressive_levels
from .schedules import approach, constant, cosine, exponential, linear, stepwise
from .self_training import SelfTrainingCycle
from .tensorboard import VALIDATION_PICTURE, TensorBoard
