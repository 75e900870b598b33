"""Registration as optimization: of cost volumes, of instances, of consistency, and belief propagation among points."""

from .belief_propagation import belief_propagation as belief_propagation
from .belief_propagation import displacement_graph as displacement_graph
from .belief_propagation import expected_displacement as expected_displacement
from .consistency import enforce_consistency as enforce_consistency
from .correlation import correlation_volume as correlation_volume
from .correlation import displacement_candidates as displacement_candidates
from .coupled_convex import coupled_convex as coupled_convex
from .feature_distance import FeatureDistance as FeatureDistance
from .field_of_view import KNOWN as KNOWN
from .field_of_view import forget_unseen as forget_unseen
from .field_of_view import shrink_seen as shrink_seen
from .guidance import UNGUIDED as UNGUIDED
from .guidance import Guidance as Guidance
from .guidance import coarsen_features as coarsen_features
from .guiding_points import GuidingPoints as GuidingPoints
from .instance_optimization import adam_instance_optimization as adam_instance_optimization
from .progress import advance as advance
from .progress import listening as listening
from .scheme import EXACT as EXACT
from .scheme import REFERENCE as REFERENCE
from .scheme import Scheme as Scheme
from .transport import transport_displacement as transport_displacement
from .upsample import coarsen_displacement as coarsen_displacement
from .upsample import resample_lattice as resample_lattice
from .upsample import upsample_displacement as upsample_displacement
