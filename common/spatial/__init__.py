"""Pure tensor functions on displacement fields: the lowest room, which imports nothing but torch."""

from .compose import compose as compose
from .frames import displacement_from_world as displacement_from_world
from .frames import displacement_to_world as displacement_to_world
from .frames import ras_to_lps as ras_to_lps
from .frames import voxel_to_world as voxel_to_world
from .frames import world_to_voxel as world_to_voxel
from .grid import from_normalized as from_normalized
from .grid import identity_grid as identity_grid
from .grid import to_normalized as to_normalized
from .integrate import exponentiate as exponentiate
from .integrate_gradients import integrate_gradients as integrate_gradients
from .invert import Inverse as Inverse
from .invert import invert as invert
from .jacobian import folding_percent as folding_percent
from .jacobian import jacobian_determinant as jacobian_determinant
from .jacobian import sdlogj as sdlogj
from .resize import resize_ddf as resize_ddf
from .resize import resize_image as resize_image
from .sample import sample as sample
from .smooth import mean_filter as mean_filter
from .smooth import window_sum as window_sum
from .unfold import unfold as unfold
from .warp import warp as warp
from .warp import warp_points as warp_points
