"""Scans with known truth: a torso, the same in CT, a beating heart, a breathing chest, crops around a hippocampus."""

from .abdomen import abdomen_phantom
from .chest import chest_phantom
from .heart import heart_phantom
from .hippocampus import hippocampus_phantom
from .torso import PhantomPair, torso_phantom, write_phantom
