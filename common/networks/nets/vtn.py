"""The network of paper 000: an affine subnetwork, and one dense subnetwork or several after it.

MONAI has no cascade of registration networks; its `VoxelMorphUNet` can be a dense subnetwork here.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from common.io import InputError
from common.networks.blocks.memory_format import CHANNELS_LAST
from common.networks.blocks.traced import Traced
from common.networks.blocks.uniform_scaling import start_uniform_scaling
from common.spatial import compose, warp

from .affine_subnetwork import AffineSubnetwork
from .dense_subnetwork import DenseSubnetwork

SMALL = 1e-5  # deviation of the last weights of another base network


class TweenedPrediction(NamedTuple):
    """What the network answers in training mode.

    Attributes:
        ddf: the whole displacement, `(B, d, *spatial)`, voxels.
        affine: matrix A of the affine subnetwork, `(B, d, d)`.
        affine_ddf: its displacement, `(B, d, *spatial)`, voxels.
        flows: what each dense subnetwork adds, in their order, the same shape.
    """

    ddf: Tensor
    affine: Tensor
    affine_ddf: Tensor
    flows: tuple[Tensor, ...]


class VTN(nn.Module):
    r"""Volume tweening network: every subnetwork sees the fixed and the moving image as warped so far.

    .. math::
        w_0(x) = (A - I)(x - c) + b, \quad w_1(x) = A u_1(x) + w_0(x), \quad w_k(x) = w_{k-1}(x + u_k(x)) + u_k(x)

    w_1 is what the affine map makes of `x + u_1(x)`, in closed form. Each u is the answer of a dense subnetwork
    divided by the number of cascades, so that they start as large together as one alone. The moving image is always
    warped from the original, by w. Weights start as `start_uniform_scaling` draws them.

    Args:
        spatial_size: of the images, voxels; multiples of 2^levels. The affine subnetwork is made for this size.
        in_channels: of both images together.
        base_channels: of the first stage; the widths are 1, 2, 4, ... times this. 16 in the paper.
        levels: halvings, two or more. 6 in the paper, which leave 2^3 of its 128^3 voxels.
        cascades: number of dense subnetworks.
        repetitions: how often each of them is applied in a row, with the same weights.
        base: makes one dense subnetwork that takes such an image and answers with a displacement in voxels; by default
            a `DenseSubnetwork`. The last convolution of others starts near zero, as of VoxelMorph.

    Raises:
        InputError: if a size does not fit, or there are too few levels or no cascades.

    Reference:
        Burduja, Ionescu, "Unsupervised medical image alignment with curriculum learning", ICIP 2021,
        https://doi.org/10.1109/ICIP42928.2021.9506067; Zhao et al., "Recursive cascaded networks for unsupervised
        medical image registration", ICCV 2019, https://arxiv.org/abs/1907.12353 -- released code.

    Example:
        >>> VTN((16, 8, 24), base_channels=1, levels=3).eval()(torch.rand(1, 2, 16, 8, 24)).shape
        torch.Size([1, 3, 16, 8, 24])
    """

    def __init__(
        self,
        spatial_size: Sequence[int] = (128, 128, 128),
        in_channels: int = 2,
        base_channels: int = 16,
        levels: int = 6,
        cascades: int = 1,
        repetitions: int = 1,
        base: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.spatial_size = tuple(spatial_size)
        self.in_channels = in_channels
        self.repetitions = repetitions
        if levels < 2 or min(cascades, repetitions) < 1:
            rule = "'levels' of 2 or more, 'cascades' and 'repetitions' of 1 or more"
            raise InputError(f"VTN() expects {rule}, got {levels}, {cascades} and {repetitions}.")
        if len(self.spatial_size) not in CHANNELS_LAST or any(n < 1 or n % 2**levels for n in self.spatial_size):
            rule = f"two or three multiples of {2**levels}, as its {levels} levels each halve the image"
            raise InputError(f"VTN() expects 'spatial_size' of {rule}, got {self.spatial_size}.")
        if base is not None and (isinstance(base, nn.Module) or not callable(base)):
            raise InputError(
                f'VTN() expects \'base\' that makes a network, a "_mode_" of "callable", got {base!r:.80}.'
            )
        self.affine = AffineSubnetwork(self.spatial_size, in_channels, base_channels, levels)
        dims = len(self.spatial_size)
        made = [
            DenseSubnetwork(dims, in_channels, base_channels, levels) if base is None else base()
            for _ in range(cascades)
        ]
        self.cascades = nn.ModuleList(made)
        start_uniform_scaling(self)
        if base is not None:
            for network in made:
                _start_small(network)

    def forward(self, image: Tensor) -> Tensor | TweenedPrediction:
        """Register.

        Args:
            image: fixed and moving image, `(B, in_channels, *spatial_size)`, scaled to [0, 1].

        Returns:
            Displacement on the fixed grid, `(B, d, *spatial_size)`, voxels; in training mode all that leads to it.
        """
        self._check(image)
        image = image.contiguous(memory_format=CHANNELS_LAST[image.ndim - 2])
        fixed, moving = image.chunk(2, dim=1)
        matrix, affine_ddf = self.affine(image)
        ddf: Tensor = affine_ddf
        flows: list[Tensor] = []
        for network in self.cascades:
            for _ in range(self.repetitions):
                seen = torch.cat([fixed, warp(moving, ddf)], dim=1)
                flow = network(seen).float() / len(self.cascades)
                first = not flows
                ddf = torch.einsum("bij,bj...->bi...", matrix, flow) + affine_ddf if first else compose(flow, ddf)
                flows.append(flow)
        return TweenedPrediction(ddf, matrix, affine_ddf, tuple(flows)) if self.training else ddf

    def __prepare_scriptable__(self) -> nn.Module:
        """Give TorchScript what it can read, see `common.networks.blocks.Traced`."""
        return Traced(self, torch.zeros(1, self.in_channels, *self.spatial_size))

    def _check(self, image: Tensor) -> None:
        if not torch.jit.is_tracing() and image.shape[1:] != (self.in_channels, *self.spatial_size):
            raise ValueError(
                f"VTN() expects 'image' of shape (B, {self.in_channels}, {', '.join(map(str, self.spatial_size))}), "
                f"fixed then moving, got {tuple(image.shape)}: resample them, or give their 'spatial_size'."
            )


def _start_small(network: nn.Module) -> None:
    """Let a network that is not the paper's answer with nearly nothing at first, as the authors' VoxelMorph does."""
    *_, last = (layer for layer in network.modules() if isinstance(layer, nn.modules.conv._ConvNd))
    nn.init.normal_(last.weight, std=SMALL)
