"""What training minimizes: the terms of a registration's loss, what they compare and penalize with, and their sum."""

from .affine_determinant import AffineDeterminant
from .affine_orthogonality import AffineOrthogonality
from .annotated_dice import AnnotatedDiceLoss
from .cloud_distance import CloudDistance
from .direction import Direction
from .displacement_smoothness import DisplacementSmoothness
from .field_error import FieldError
from .gradient_l1 import GradientL1
from .local_normalized_cross_correlation import LocalNormalizedCrossCorrelation
from .mind_distance import MINDDistance
from .normalized_cross_correlation import NormalizedCrossCorrelation
from .overlap import Overlap
from .point_distance import PointDistance
from .registration_loss import RegistrationLoss
from .regularization import Regularization
from .similarity import Similarity
from .term import Term
