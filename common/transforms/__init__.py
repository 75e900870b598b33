"""MONAI dictionary transforms: from two scans to one network input, and from its ddf to everything warped."""

from .extent import CheckExtentd as CheckExtentd
from .initial_transform import InitialTransformd as InitialTransformd
from .largest_component import keep_largest_component as keep_largest_component
from .load_points import LoadPointsd as LoadPointsd
from .load_scans import LoadScansd as LoadScansd
from .measure import MeasureRegistrationd as MeasureRegistrationd
from .milestone import Milestoned as Milestoned
from .native_field import NativeFieldd as NativeFieldd
from .native_field import native_displacement as native_displacement
from .normalization import NormalizeForegroundd as NormalizeForegroundd
from .normalization import normalize_foreground as normalize_foreground
from .normalize_slices import NormalizeSlicesd as NormalizeSlicesd
from .normalize_slices import normalize_slices as normalize_slices
from .organ_labels import OrganLabelsd as OrganLabelsd
from .organ_labels import map_labels as map_labels
from .study_pair import StudyPaird as StudyPaird
from .warp import WarpToFixedd as WarpToFixedd
from .warp import field_of as field_of
from .warp import invert_field as invert_field
from .warp import move_points as move_points
from .warp import pull_points as pull_points
from .warp import warp_scan as warp_scan
from .windows import WindowsToChannelsd as WindowsToChannelsd
from .windows import windows_to_channels as windows_to_channels
from .working_grid import WorkingGridd as WorkingGridd
