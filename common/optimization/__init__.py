"""Registration as optimization: of cost volumes, of instances, of consistency, and belief propagation among points."""

from .consistency import enforce_consistency
from .convex_coupling import coupled_convex
from .correlation import correlation_volume, displacement_candidates
from .feature_distance import FeatureDistance
from .field_of_view import KNOWN, forget_unseen, split_pair
from .guidance import UNGUIDED, Guidance, coarsen_features
from .guiding_points import GuidingPoints
from .instance_optimization import Term, adam_instance_optimization
from .matching import Described, match_features, mean_difference
from .message_passing import belief_propagation, displacement_graph, expected_displacement
from .mutual_information import MutualInformation, detail
from .parts import Part, parts_of
from .progress import advance, listening
from .roughness import Roughness, bending, stretching
from .scheme import EXACT, REFERENCE, Scheme
from .transport import transport_displacement
from .upsample import coarsen_displacement, resample_lattice, upsample_displacement
