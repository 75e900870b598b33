"""Linear pre-alignment of two scans in the world."""

from .initialization import KINDS, initial_transform, read_linear_transform
from .start import Start
