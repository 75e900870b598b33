"""Scans with known truth: a torso and a beating heart."""

from .heart import heart_phantom as heart_phantom
from .torso import PhantomPair as PhantomPair
from .torso import torso_phantom as torso_phantom
from .torso import write_phantom as write_phantom
