"""Dense descriptors of an image, which compare across scanners and modalities."""

from .mind import MINDSSC as MINDSSC
from .mind import mind_ssc as mind_ssc
