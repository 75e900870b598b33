"""Linear pre-alignment of two scans in the world."""

from .initial_transform import KINDS as KINDS
from .initial_transform import initial_transform as initial_transform
from .initial_transform import read_linear_transform as read_linear_transform
from .start import Start as Start
