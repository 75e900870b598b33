"""What is seen in an image: dense descriptors, which compare across scanners and modalities, key points, organs."""

from .body import body_mask
from .foerstner import foerstner_keypoints
from .gradients import gradient_magnitude
from .liver import liver_box
from .lungs import lung_box, lung_mask
from .mind import MINDSSC, mind_ssc
from .organ_blocks import slice_axis
