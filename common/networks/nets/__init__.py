"""One file per network of a paper."""

from .coupled_convex_net import CoupledConvexNet as CoupledConvexNet
from .feature_net import SelfTrainingFeatureNet as SelfTrainingFeatureNet
