"""What training minimizes: the terms of a registration's loss, what they compare and penalize with, and their sum."""

from .affine_determinant import AffineDeterminant as AffineDeterminant
from .affine_orthogonality import AffineOrthogonality as AffineOrthogonality
from .annotated_dice import AnnotatedDiceLoss as AnnotatedDiceLoss
from .direction import Direction as Direction
from .displacement_smoothness import DisplacementSmoothness as DisplacementSmoothness
from .field_error import FieldError as FieldError
from .gradient_l1 import GradientL1 as GradientL1
from .local_normalized_cross_correlation import LocalNormalizedCrossCorrelation as LocalNormalizedCrossCorrelation
from .mind_distance import MINDDistance as MINDDistance
from .normalized_cross_correlation import NormalizedCrossCorrelation as NormalizedCrossCorrelation
from .overlap import Overlap as Overlap
from .point_distance import PointDistance as PointDistance
from .registration_loss import RegistrationLoss as RegistrationLoss
from .regularization import Regularization as Regularization
from .similarity import Similarity as Similarity
from .term import Term as Term
