"""Running bundles: what MONAI's engines do not express, and the checks of the command line."""

from .answering_compose import AnsweringCompose as AnsweringCompose
from .averaging_inferer import AveragingInferer as AveragingInferer
from .batch import moving_and_fixed_label as moving_and_fixed_label
from .batch import predicted_ddf as predicted_ddf
from .batch import prepare_pair_batch as prepare_pair_batch
from .batch import warped_and_fixed_image as warped_and_fixed_image
from .batch import warped_and_fixed_label as warped_and_fixed_label
from .case_batch import predicted_and_true_label as predicted_and_true_label
from .case_batch import prepare_case_batch as prepare_case_batch
from .check_config import check_config as check_config
from .command_line import check_device as check_device
from .command_line import check_options as check_options
from .command_line import command_line_pairs as command_line_pairs
from .label_scans import label_scans as label_scans
from .path_option import as_written as as_written
from .path_option import check_ending as check_ending
from .path_option import check_flags as check_flags
from .registration import register_pairs as register_pairs
from .segmenter import Segmenter as Segmenter
from .segmenter import SegmenterSettings as SegmenterSettings
from .segmenter import merge_true_labels as merge_true_labels
from .slice_inferer import SliceBySliceInferer as SliceBySliceInferer
from .workflow import bundle_root as bundle_root
from .workflow import one_sentence as one_sentence
from .workflow import raise_mistakes as raise_mistakes
from .workflow import sentence as sentence
