"""What is seen in an image: dense descriptors, which compare across scanners and modalities, key points, an organ."""

from .foerstner import foerstner_keypoints as foerstner_keypoints
from .gradient_magnitude import gradient_magnitude as gradient_magnitude
from .liver_box import liver_box as liver_box
from .mind import MINDSSC as MINDSSC
from .mind import mind_ssc as mind_ssc
