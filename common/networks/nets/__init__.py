"""One file per network of a paper."""

from .affine_subnetwork import AffineSubnetwork as AffineSubnetwork
from .coupled_convex_net import CoupledConvexNet as CoupledConvexNet
from .dense_subnetwork import DenseSubnetwork as DenseSubnetwork
from .dirnet import DIRNet as DIRNet
from .displacement_unet import DisplacementUNet as DisplacementUNet
from .feature_extractor import FEATURES as FEATURES
from .feature_extractor import select_features as select_features
from .feature_net import SelfTrainingFeatureNet as SelfTrainingFeatureNet
from .point_registration_net import PointFeatureNet as PointFeatureNet
from .point_registration_net import PointRegistrationNet as PointRegistrationNet
from .point_registration_net import join_clouds as join_clouds
from .progressive_unet import ProgressiveUNet as ProgressiveUNet
from .progressive_unet import plain_weights as plain_weights
from .segmentation_unet import SegmentationUNet as SegmentationUNet
from .segmentation_unet import load_segmentation_unet as load_segmentation_unet
from .symmetric_gradient_net import GradientPrediction as GradientPrediction
from .symmetric_gradient_net import SymmetricGradientNet as SymmetricGradientNet
from .vtn import VTN as VTN
from .vtn import TweenedPrediction as TweenedPrediction
