"""Parts that networks are made of."""

from .folding_convolution import FoldingConvolution as FoldingConvolution
from .gradient_stages import Decoder as Decoder
from .gradient_stages import Encoder as Encoder
from .padding import even_padding as even_padding
from .running_norm import RunningBatchNorm2d as RunningBatchNorm2d
from .running_norm import RunningBatchNorm3d as RunningBatchNorm3d
from .same_padding import HalvingConvolution as HalvingConvolution
from .traced import Traced as Traced
from .tweening_encoder import TweeningEncoder as TweeningEncoder
from .uniform_scaling import start_uniform_scaling as start_uniform_scaling
