"""Scans with known truth: a torso, the same in CT, a beating heart, a breathing chest, crops around a hippocampus."""

from .abdomen import abdomen_phantom as abdomen_phantom
from .chest import chest_phantom as chest_phantom
from .heart import heart_phantom as heart_phantom
from .hippocampus import hippocampus_phantom as hippocampus_phantom
from .torso import PhantomPair as PhantomPair
from .torso import torso_phantom as torso_phantom
from .torso import write_phantom as write_phantom
