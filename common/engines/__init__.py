"""Running bundles: what MONAI's engines do not express, and the checks of the command line."""

from .averaging_inferer import AveragingInferer as AveragingInferer
from .batch import moving_and_fixed_label as moving_and_fixed_label
from .batch import predicted_ddf as predicted_ddf
from .batch import prepare_pair_batch as prepare_pair_batch
from .batch import warped_and_fixed_image as warped_and_fixed_image
from .batch import warped_and_fixed_label as warped_and_fixed_label
from .case_batch import predicted_and_true_label as predicted_and_true_label
from .case_batch import prepare_case_batch as prepare_case_batch
from .checked_call import checked_call as checked_call
from .command_line import bundle_root as bundle_root
from .command_line import check_device as check_device
from .command_line import check_options as check_options
from .command_line import command_line_pairs as command_line_pairs
from .command_line import one_sentence as one_sentence
from .command_line import run_engine as run_engine
from .command_line import sentence as sentence
from .label_scans import label_scans as label_scans
from .registration import register_pairs as register_pairs
from .segmenter import Segmenter as Segmenter
from .segmenter import SegmenterSettings as SegmenterSettings
from .segmenter import merge_true_labels as merge_true_labels
from .slice_inferer import SliceBySliceInferer as SliceBySliceInferer
