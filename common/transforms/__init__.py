"""MONAI dictionary transforms: from two scans to one network input, and from its ddf to everything warped."""

from .atomic import write_atomically as write_atomically
from .field_file import Field as Field
from .field_file import read_field as read_field
from .field_file import write_field as write_field
from .initial_transform import initial_transform as initial_transform
from .measure import MeasureRegistrationd as MeasureRegistrationd
from .milestone import Milestoned as Milestoned
from .native_field import NativeFieldd as NativeFieldd
from .native_field import native_displacement as native_displacement
from .points import LoadPointsd as LoadPointsd
from .points import format_points as format_points
from .points import read_points as read_points
from .resample import Grid as Grid
from .resample import resample as resample
from .scan import LoadScansd as LoadScansd
from .scan import read_scan as read_scan
from .warp import WarpToFixedd as WarpToFixedd
from .warp import field_of as field_of
from .warp import invert_field as invert_field
from .warp import move_points as move_points
from .warp import pull_points as pull_points
from .warp import restore_dtype as restore_dtype
from .warp import warp_scan as warp_scan
from .working_grid import InitialTransformd as InitialTransformd
from .working_grid import WorkingGridd as WorkingGridd
from .working_grid import grid_of as grid_of
