"""What training minimizes: one file per term, and their weighted sum."""

from .annotated_dice import AnnotatedDiceLoss as AnnotatedDiceLoss
from .displacement_smoothness import DisplacementSmoothness as DisplacementSmoothness
from .gradient_l1 import GradientL1 as GradientL1
from .local_normalized_cross_correlation import LocalNormalizedCrossCorrelation as LocalNormalizedCrossCorrelation
from .normalized_cross_correlation import NormalizedCrossCorrelation as NormalizedCrossCorrelation
from .registration_loss import RegistrationLoss as RegistrationLoss
