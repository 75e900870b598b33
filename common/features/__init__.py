"""What is seen in an image: dense descriptors, which compare across scanners and modalities, and an organ's box."""

from .gradient_magnitude import gradient_magnitude as gradient_magnitude
from .liver_box import liver_box as liver_box
from .mind import MINDSSC as MINDSSC
from .mind import mind_ssc as mind_ssc
