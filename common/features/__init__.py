"""Dense descriptors of an image, which compare across scanners and modalities."""

from .gradient_magnitude import gradient_magnitude as gradient_magnitude
from .mind import MINDSSC as MINDSSC
from .mind import mind_ssc as mind_ssc
