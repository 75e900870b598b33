"""What a training run needs around MONAI's trainer: to be resumed exactly, stopped in time, watched and measured."""

from ._checkpoint_files import newest_checkpoint as newest_checkpoint
from .checkpoint import TrainingCheckpoint as TrainingCheckpoint
from .checkpoint import check_no_checkpoints as check_no_checkpoints
from .curriculum import Curriculum as Curriculum
from .epoch_seed import EpochSeed as EpochSeed
from .metrics_csv import MetricsCsv as MetricsCsv
from .non_finite import StopOnNonFinite as StopOnNonFinite
from .pack_weights import pack_mean_weights as pack_mean_weights
from .pack_weights import pack_weights as pack_weights
from .pair_results import PairResults as PairResults
from .point_self_training import PointSelfTrainingCycle as PointSelfTrainingCycle
from .progress import Progress as Progress
from .progressive_levels import progressive_levels as progressive_levels
from .schedules import approach as approach
from .schedules import constant as constant
from .schedules import cosine as cosine
from .schedules import exponential as exponential
from .schedules import linear as linear
from .schedules import stepwise as stepwise
from .self_training import SelfTrainingCycle as SelfTrainingCycle
from .tensorboard import VALIDATION_PICTURE as VALIDATION_PICTURE
from .tensorboard import TensorBoard as TensorBoard
