"""What is seen in an image: dense descriptors, which compare across scanners and modalities, key points, organs."""

from .foerstner import foerstner_keypoints
from .gradient_magnitude import gradient_magnitude
from .liver_box import liver_box
from .lung_box import lung_box, lung_mask
from .mind import MINDSSC, mind_ssc
from .organ_blocks import slice_axis
