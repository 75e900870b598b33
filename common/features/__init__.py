"""What is seen in an image: dense descriptors, which compare across scanners and modalities, key points, organs."""

from .foerstner import foerstner_keypoints as foerstner_keypoints
from .gradient_magnitude import gradient_magnitude as gradient_magnitude
from .liver_box import liver_box as liver_box
from .lung_box import lung_box as lung_box
from .lung_box import lung_mask as lung_mask
from .mind import MINDSSC as MINDSSC
from .mind import mind_ssc as mind_ssc
from .organ_blocks import slice_axis as slice_axis
