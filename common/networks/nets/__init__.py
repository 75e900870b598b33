"""One file per network of a paper."""

from .coupled_convex_net import CoupledConvexNet as CoupledConvexNet
from .feature_extractor import FEATURES as FEATURES
from .feature_extractor import select_features as select_features
from .feature_net import SelfTrainingFeatureNet as SelfTrainingFeatureNet
from .symmetric_gradient_net import GradientPrediction as GradientPrediction
from .symmetric_gradient_net import SymmetricGradientNet as SymmetricGradientNet
