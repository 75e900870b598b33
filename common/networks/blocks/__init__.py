"""Parts that networks are made of."""

from .folding_convolution import FoldingConvolution
from .gradient_stages import Decoder, Encoder
from .padding import even_padding
from .running_norm import RunningBatchNorm2d, RunningBatchNorm3d
from .same_padding import HalvingConvolution
from .traced import Traced
from .tweening_encoder import TweeningEncoder
from .uniform_scaling import start_uniform_scaling
