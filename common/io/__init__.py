"""Files: scans, displacement fields, points and tables, read with checks and written whole."""

from .atomic import check_replaceable, save_bytes, save_text, write_atomically, write_together
from .field import Field, read_field, write_field
from .files import existing_file, read_text
from .fingerprints import fingerprint
from .folders import fresh_folder
from .grid import grid_of, largest_distance
from .input_error import MISTAKES, InputError, find_mistake
from .integrity import check_complete
from .json_file import read_json
from .label_fit import fit_label
from .memory import available_memory, check_memory
from .nifti import ONE_SLICE, restore_dtype, save_scan, write_nifti
from .nifti_header import read_nifti, read_nifti_header
from .points import POINT_ENDINGS, Points, format_points, points_suffix, read_points
from .scan import read_scan
from .spatial_dims import find_spatial_dims, has_one_slice
from .table import read_table, write_table
from .weights import check_weights, load_weights, read_checkpoint, read_weights, unwrap
