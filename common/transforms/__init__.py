"""MONAI dictionary transforms: from two scans to one network input, and from its ddf to everything warped."""

from .body_mask import BodyMaskd
from .bore import BoreMaskd, bore_mask
from .case_grid import CaseGrid, CaseGridd
from .clocked_compose import ClockedCompose
from .contrast import random_contrast
from .extent import CheckExtentd
from .gradient_magnitude import GradientMagnitude
from .guide_pair import GUIDANCE, GuidePaird, guidance_of
from .initial_transform import InitialTransformd
from .keep_start import KeepStartd
from .key_points import CloudFieldd, KeyPointsd, PairCloudsd
from .landmark_displacement import LandmarkDisplacementd
from .largest_component import keep_largest_component
from .load_points import LoadPointsd
from .load_scans import LoadScansd
from .measure import MeasureRegistrationd
from .measure_network import MeasureNetworkd
from .native_field import NativeFieldd, native_displacement
from .normalize_foreground import NormalizeForeground
from .normalize_percentiles import NormalizePercentiles
from .organ_labels import OrganLabelsd, map_labels
from .pair_grid import PairGridd
from .random_deformation import PAIR_KEYS, RandDeformedPaird, RandSplineDeformd
from .random_field_of_view import RandFieldOfViewd
from .refine_field import RefineFieldd
from .study_pair import StudyPaird
from .warp import PulledPoints, field_of, invert_field, move_points, pull_points, warp_scan
from .warp_to_fixed import WarpToFixedd
from .windows import WindowsToChannels
from .without_partner import points_without_partner, voxels_without_partner
