"""Files: scans, displacement fields, points and tables, read with checks and written whole."""

from .atomic import save_bytes as save_bytes
from .atomic import save_text as save_text
from .atomic import write_atomically as write_atomically
from .field import Field as Field
from .field import read_field as read_field
from .field import write_field as write_field
from .grid import grid_of as grid_of
from .grid import largest_distance as largest_distance
from .integrity import check_complete as check_complete
from .nifti import ONE_SLICE as ONE_SLICE
from .nifti import restore_dtype as restore_dtype
from .nifti import save_scan as save_scan
from .nifti import write_nifti as write_nifti
from .points import POINT_ENDINGS as POINT_ENDINGS
from .points import Points as Points
from .points import format_points as format_points
from .points import points_suffix as points_suffix
from .points import read_points as read_points
from .scan import read_scan as read_scan
from .spatial_dims import find_spatial_dims as find_spatial_dims
from .spatial_dims import has_one_slice as has_one_slice
from .table import write_table as write_table
from .weights import load_weights as load_weights
from .weights import read_checkpoint as read_checkpoint
from .weights import read_weights as read_weights
