"""Running bundles: what MONAI's engines do not express, and the checks of the command line."""

from .answering_compose import AnsweringCompose
from .augmentation import pair_augmentation
from .augmentation_inferer import TestTimeAugmentationInferer
from .augmented_batch import AugmentedPairBatch
from .batch import (
    moving_and_fixed_label,
    predicted_ddf,
    prepare_pair_batch,
    warped_and_fixed_image,
    warped_and_fixed_label,
)
from .bundle_segmenter import load_segmenter
from .case_batch import predicted_and_true_label, prepare_case_batch, segmentation_metrics
from .command_line import check_device, check_options, command_line_pairs
from .config_check import check_config
from .deformed_batch import DeformedPairBatch
from .evaluation import registration_evaluator
from .inverse_pairs import pairs_both_ways, record_inverse_consistency
from .key_point_registration import key_point_postprocessing, key_point_preprocessing
from .label_inputs import label_preprocessing
from .label_outputs import label_postprocessing
from .labeling import label_scans
from .origins import provenance
from .pair_metrics import registration_metrics
from .path_option import as_written, check_ending, check_flags
from .point_cloud_batch import PointCloudBatch
from .point_errors import point_metrics
from .processes import leave_processes, place_network, process_device, start
from .refinement import instance_optimization
from .registration import register_pairs
from .registration_inputs import registration_preprocessing
from .registration_outputs import registration_postprocessing
from .segmenter import Segmenter, SegmenterSettings, merge_true_labels, segmenter_normalization
from .self_training_batch import SelfTrainingBatch
from .slice_inferer import SliceBySliceInferer
from .synthetic_cloud_batch import SyntheticCloudBatch
from .training_engines import training_engine, validation_engine
from .training_handlers import TrainingHandlers, ValidationHandlers
from .workflow import bundle_root, one_sentence, raise_mistakes, sentence
