"""Running bundles: what MONAI's engines do not express, and the checks of the command line."""

from .command_line import bundle_root as bundle_root
from .command_line import check_device as check_device
from .command_line import check_options as check_options
from .command_line import command_line_pairs as command_line_pairs
from .command_line import one_sentence as one_sentence
from .command_line import sentence as sentence
from .registration import register_pairs as register_pairs
