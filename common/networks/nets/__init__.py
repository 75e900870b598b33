"""One file per network of a paper."""

from .affine_subnetwork import AffineSubnetwork
from .coupled_convex_net import CoupledConvexNet
from .dense_subnetwork import DenseSubnetwork
from .dirnet import DIRNet
from .displacement_unet import DisplacementUNet
from .feature_extractor import FEATURES, select_features
from .feature_net import SelfTrainingFeatureNet
from .instance_optimization_net import InstanceOptimizationNet
from .mutual_information_net import MutualInformationNet
from .point_registration_net import PointFeatureNet, PointRegistrationNet, join_clouds
from .progressive_unet import ProgressiveUNet, plain_weights
from .pyramid_net import PyramidNet, PyramidPrediction
from .segmentation_unet import SegmentationUNet, load_segmentation_unet
from .symmetric_gradient_net import GradientPrediction, SymmetricGradientNet
from .vtn import VTN, TweenedPrediction
