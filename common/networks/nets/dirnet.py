"""The registration network of paper 004: convolutions and pooling down to one displacement a control point.

MONAI's registration networks decode to every voxel; this one stops at the control points, and a spline does the rest.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import prod

import torch
import torch.nn.functional as F
from monai.networks.layers import Pool
from torch import Tensor, nn

from common.io import InputError
from common.networks.blocks.folding_convolution import FoldingConvolution
from common.networks.blocks.memory_format import CHANNELS_LAST
from common.networks.blocks.padding import even_padding
from common.networks.blocks.traced import Traced
from common.spatial import bspline_displacement, thin_plate_spline_displacement
from common.spatial.checks import check_channels, check_choice

POOLINGS = ("average", "max", "convolution")
TRANSFORMERS = ("bspline", "thin_plate_spline")
DENSE_WIDTH = 1024


class DIRNet(nn.Module):
    r"""Predicts the control points of a spline from the two images.

    Every convolution is followed by batch normalization and ELU, the first ones by a halving; the control points are
    2 to the number of halvings apart. Images of any size are padded, evenly at both ends, to a multiple of that, and
    the control points stand in the middle of their cells. The last layer is linear and starts at zero, and with it the
    field. Scripted, a network with thin-plate splines takes images of 16 control points along each axis alone. The
    defaults are the paper's network B; its variants are::

        A1 pooling="max"             B1 order=2                           C1 extra_convolutions=True
        A2 pooling="convolution"     B2 transformer="thin_plate_spline"   C2 dense_shape=(256, 256)

    Args:
        spatial_dims: 2 or 3.
        in_channels: of both images together.
        channels: of every layer.
        convolutions: number of convolutions 3 x 3.
        downsamplings: after how many of them, from the first on, the image is halved.
        pooling: how: "average", "max", or a "convolution" 2 x 2 with stride 2.
        transformer: "bspline" or "thin_plate_spline".
        order: of the B-spline, 2 or 3.
        extra_convolutions: one more convolution before and one more after the last halving, so that the receptive field
            is as wide as the support of a control point.
        dense_shape: shape of the images for layers that see them whole in place of the convolutions 1 x 1; the network
            then takes no others.
        norm: of every layer but the last, as MONAI's factory takes it; None as in the authors' later TorchIR.

    Raises:
        InputError: if a choice is unknown, or an image does not fit.

    Reference:
        de Vos et al., "End-to-end unsupervised deformable image registration with a convolutional neural network",
        DLMIA 2017, https://doi.org/10.1007/978-3-319-67558-9_24 -- sections 3 and 5.

    Example:
        >>> DIRNet().eval()(torch.rand(1, 2, 100, 90)).shape
        torch.Size([1, 2, 100, 90])
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 2,
        channels: int = 16,
        convolutions: int = 4,
        downsamplings: int = 4,
        pooling: str = "average",
        transformer: str = "bspline",
        order: int = 3,
        extra_convolutions: bool = False,
        dense_shape: Sequence[int] | None = None,
        norm: str | None = "BATCH",
    ) -> None:
        super().__init__()
        check_choice("DIRNet", "pooling", pooling, POOLINGS)
        check_choice("DIRNet", "transformer", transformer, TRANSFORMERS)
        if not 1 <= downsamplings <= convolutions:
            raise InputError(
                f"DIRNet() expects 'downsamplings' from 1 to the {convolutions} convolutions, got {downsamplings}."
            )
        self.spatial_dims = spatial_dims
        self.in_channels = in_channels
        self.spacing = 2**downsamplings
        self.dense_shape = None if dense_shape is None else tuple(dense_shape)
        if min(self.dense_shape or [2 * self.spacing]) < 2 * self.spacing:
            raise InputError(f"DIRNet() expects 'dense_shape' of {2 * self.spacing} or more, got {dense_shape}.")
        self.transformer = transformer
        self.order = order
        convolve = partial(_convolve, spatial_dims, channels, norm)
        halve = partial(_halve, spatial_dims, pooling, convolve)
        layers: list[nn.Module] = []
        for number in range(1, convolutions + 1):
            layers.append(convolve(channels if layers else in_channels))
            if extra_convolutions and number == downsamplings:
                layers += [convolve(channels), halve(channels), convolve(channels)]
            elif number <= downsamplings:
                layers.append(halve(channels))
        if self.dense_shape is None:
            convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
            layers += [convolve(channels, 1), convolve(channels, 1), _at_zero(convolution(channels, spatial_dims, 1))]
        else:
            grid = [n // self.spacing for n in self.dense_shape]
            layers += [convolve(channels), halve(channels), nn.Flatten(), *_dense_layers(channels, grid)]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        """Register.

        Args:
            image: fixed and moving image, `(B, in_channels, *spatial)`, scaled to [0, 1].

        Returns:
            Displacement on the fixed grid, `(B, d, *spatial)`, voxels.
        """
        self._check(image)
        pads = even_padding(image.shape[2:], self.spacing)
        padded = F.pad(image, pads, mode="replicate").contiguous(memory_format=CHANNELS_LAST[image.ndim - 2])
        control_points = self.layers(padded)
        before = pads[-2::-2]  # from the first axis on
        offset = [(self.spacing - 1) / 2 - n for n in before]
        spacings = [self.spacing] * self.spatial_dims
        if self.transformer == "bspline":
            return bspline_displacement(control_points, spacings, image.shape[2:], self.order, offset)
        return thin_plate_spline_displacement(control_points, spacings, image.shape[2:], offset)

    def __prepare_scriptable__(self) -> nn.Module:
        """Give TorchScript what it can read, see `common.networks.blocks.Traced`."""
        blocks = 2 if self.transformer == "bspline" else 16  # the paper's size
        shape = self.dense_shape or (blocks * self.spacing,) * self.spatial_dims
        return Traced(self, torch.zeros(1, self.in_channels, *shape))

    def _check(self, image: Tensor) -> None:
        if torch.jit.is_tracing():
            return
        check_channels("DIRNet", image, self.in_channels, "fixed then moving")
        if self.dense_shape not in (None, tuple(image.shape[2:])):
            raise InputError(
                f"DIRNet(dense_shape={self.dense_shape}) expects 'image' of this size, got {tuple(image.shape)}: "
                "choose a network without dense layers, or resample the images."
            )


def _convolve(spatial_dims: int, out_channels: int, norm: str | None, in_channels: int, size: int = 3) -> nn.Module:
    """A convolution that keeps the size, batch normalization and ELU; one of even size halves the image."""
    stride, padding = (1, size // 2) if size % 2 else (size, 0)
    return FoldingConvolution(
        spatial_dims,
        in_channels,
        out_channels,
        kernel_size=size,
        strides=stride,
        padding=padding,
        adn_ordering="NA",
        act=("ELU", {"inplace": True}),
        norm=norm,
    )


def _halve(spatial_dims: int, pooling: str, convolve: Callable[[int, int], nn.Module], channels: int) -> nn.Module:
    if pooling == "convolution":
        return convolve(channels, 2)
    pool: nn.Module = Pool["AVG" if pooling == "average" else "MAX", spatial_dims](2)
    return pool


def _at_zero(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _dense_layers(channels: int, grid: Sequence[int]) -> list[nn.Module]:
    """From halved features to the displacements of all control points, which are as many as the grid has."""
    width = channels * prod(n // 2 for n in grid)
    last = _at_zero(nn.Linear(DENSE_WIDTH, len(grid) * prod(grid)))
    return [*_dense(width), *_dense(DENSE_WIDTH), last, nn.Unflatten(1, (len(grid), *grid))]


def _dense(width: int) -> list[nn.Module]:
    return [nn.Linear(width, DENSE_WIDTH), nn.BatchNorm1d(DENSE_WIDTH), nn.ELU()]
