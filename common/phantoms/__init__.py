"""Scans with known truth: a torso, the same in CT, a beating heart and a breathing chest."""

from .abdomen import abdomen_phantom as abdomen_phantom
from .chest import chest_phantom as chest_phantom
from .heart import heart_phantom as heart_phantom
from .torso import PhantomPair as PhantomPair
from .torso import torso_phantom as torso_phantom
from .torso import write_phantom as write_phantom
