"""Files: scans, displacement fields, points and tables, read with checks and written whole."""

from .atomic import check_replaceable as check_replaceable
from .atomic import save_bytes as save_bytes
from .atomic import save_text as save_text
from .atomic import write_atomically as write_atomically
from .atomic import write_together as write_together
from .field import Field as Field
from .field import read_field as read_field
from .field import write_field as write_field
from .fingerprint import fingerprint as fingerprint
from .fresh_folder import fresh_folder as fresh_folder
from .grid import grid_of as grid_of
from .json_file import read_json as read_json
from .memory import available_memory as available_memory
from .memory import check_memory as check_memory
from .nifti import restore_dtype as restore_dtype
from .nifti import save_scan as save_scan
from .nifti import write_nifti as write_nifti
from .points import format_points as format_points
from .points import points_suffix as points_suffix
from .points import read_points as read_points
from .scan import read_scan as read_scan
from .spatial_dims import find_spatial_dims as find_spatial_dims
from .table import write_table as write_table
from .weights import load_weights as load_weights
from .weights import read_checkpoint as read_checkpoint
from .weights import read_weights as read_weights
