"""Pure tensor functions on displacement fields: the lowest room, which imports nothing but torch."""

from .affine import affine_displacement, affine_in_voxels
from .bsplines import bspline, bspline_displacement
from .composition import compose
from .deformed_pairs import DeformedPair, deformed_pair
from .frames import displacement_from_world, displacement_to_world, ras_to_lps, voxel_to_world, world_to_voxel
from .gaussian import gaussian_blur, gaussian_smooth
from .grid import identity_grid, slabs, to_normalized
from .integration import integrate_gradients
from .invert import InversePoints, invert_points
from .jacobian import folding_percent, jacobian_determinant, sdlogj
from .neighbors import nearest_points
from .random_spline import RandomSpline, approximating_spline
from .resampling import average_voxels, resample
from .sampling import PADDINGS, sample
from .scattered_splines import scattered_spline, scattered_spline_displacement
from .smooth import mean_filter, mean_filter_inside, window_sum
from .spline_field import SplineField, compose_splines, interpolating_spline
from .surroundings import content_box, level_padding
from .thin_plate_spline import thin_plate_spline_displacement
from .unfolding import unfold
from .warping import warp
from .world_grid import Grid, affine_places, box_grid, center_of, place_centered
