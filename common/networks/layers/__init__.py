"""What is put into a network while it trains, and taken out again: curricula."""

from .curriculum_dropout import CurriculumDropout as CurriculumDropout
from .curriculum_dropout import quick_dropout as quick_dropout
from .curriculum_hooks import CurriculumHooks as CurriculumHooks
from .curriculum_smoothing import CurriculumSmoothing as CurriculumSmoothing
from .input_blur import InputBlur as InputBlur
