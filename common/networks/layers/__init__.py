"""What is put into a network while it trains, and taken out again: curricula."""

from .curriculum_dropout import CurriculumDropout, quick_dropout
from .curriculum_hooks import CurriculumHooks
from .curriculum_smoothing import CurriculumSmoothing
from .input_blur import InputBlur
