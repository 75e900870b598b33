"""The network of paper 002 while it grows: the U-Net, level by level from coarse to fine.

MONAI has networks with deep supervision, which compute all levels at every step, but none that grows.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.spatial import compose

from .displacement_unet import CONVOLUTION, POOLING, TRAINING_LAYERS, DisplacementUNet, start_glorot

LARGE_TO_SMALL = {2: F.avg_pool2d, 3: F.avg_pool3d}
UPSAMPLING_MODE = {2: "bilinear", 3: "trilinear"}
COMBINATIONS = ("sum", "compose")


class ProgressiveUNet(DisplacementUNet):
    r"""A `DisplacementUNet` whose coarser levels have an input and an output of their own, used in training alone.

    .. math::
        u(x) = \sum_i \alpha_i u_i(x), \quad x_i = \beta_i \, c_i(I_i) + \gamma_i \, p(y_{i+1}), \quad
        \gamma_i = \sum_{j > i} \alpha_j, \quad \beta_i = 1 - \gamma_i

    I_i is the image averaged down to level i (0 is the coarsest), c_i a convolution 1^d to the width of the pooled map
    p(y) of the next finer level, u_i another one from the last map of the level, enlarged linearly; every u_i is in
    voxels of the full resolution. Levels finer than the last one with a weight are not computed. With the weights
    `(0, ..., 0, 1)`, as it is made, the network is its U-Net bit for bit; `alpha` is no part of the `state_dict`. The
    weights that both networks have start equal under equal seeds.

    `alpha` is set by a schedule: MONAI's `ParamSchedulerHandler` with `common.handlers.progressive_levels`. A single 1
    gives the field of that level alone. The trainer needs ``optim_set_to_none=True``: with gradients of 0 in place of
    none, momentum moves layers that are not computed, and in a resumed run they stand still.

    Args:
        spatial_dims, in_channels, base_channels, levels: see `DisplacementUNet`.
        combination: "sum", or "compose" to put the fields of the levels after one another, coarse to fine, in
            place of the sum: an extension that the paper suggests.

    Raises:
        ValueError: see `DisplacementUNet`; or if the combination is unknown.

    Reference:
        Eppenhof et al., "Progressively trained convolutional neural networks for deformable image registration", TMI
        2020, https://doi.org/10.1109/TMI.2019.2953788 -- equations (1) to (3) and (5), figures 1 and 2.

    Example:
        >>> net = ProgressiveUNet(base_channels=2, levels=3)
        >>> net.alpha = (0.25, 0.75, 0)
        >>> net(torch.rand(1, 2, 8, 12, 8)).shape
        torch.Size([1, 3, 8, 12, 8])
    """

    unused_weights = ()

    def __init__(
        self,
        spatial_dims: int = 3,
        in_channels: int = 2,
        base_channels: int = 16,
        levels: int = 5,
        combination: str = "sum",
    ) -> None:
        super().__init__(spatial_dims, in_channels, base_channels, levels)
        if combination not in COMBINATIONS:
            raise ValueError(
                f"ProgressiveUNet() expects 'combination' to be one of {', '.join(COMBINATIONS)}, got {combination!r}."
            )
        self.combination = combination
        convolution = CONVOLUTION[spatial_dims]
        widths = [base_channels * 2**k for k in range(levels, 0, -1)]  # of the levels' encoders
        self.level_inputs = nn.ModuleList(convolution(in_channels, width, 1) for width in widths[1:])
        self.level_outputs = nn.ModuleList(convolution(width, spatial_dims, 1) for width in widths[:-1])
        start_glorot(self.level_inputs)
        start_glorot(self.level_outputs)
        self.alpha = (*[0.0] * (levels - 1), 1.0)

    @property
    def alpha(self) -> tuple[float, ...]:
        """Weights of the levels' fields, coarse to fine."""
        return self._alpha

    @alpha.setter
    def alpha(self, alpha: Sequence[float]) -> None:
        if len(alpha) != self.levels or min(alpha) < 0 or abs(sum(alpha) - 1) > 1e-6:
            rule = f"{self.levels} weights that sum to 1"
            raise ValueError(f"ProgressiveUNet() expects 'alpha' of {rule}, got {tuple(alpha)}.")
        self._alpha = tuple(float(weight) for weight in alpha)

    def plain(self) -> DisplacementUNet:
        """Give the U-Net without the layers that are used in training alone, with copies of the weights."""
        network = DisplacementUNet(**self.settings).train(self.training)
        network.load_state_dict(plain_weights(self.state_dict()))
        return network.to(self.head.weight)

    def _displacement(self, image: Tensor) -> Tensor:
        top = max(level for level, weight in enumerate(self.alpha) if weight > 0)
        maps = self._encode(image, top)
        features, fields = maps[0], []
        for level in range(top + 1):
            if level:
                up = self.upsamplings[level - 1](features)
                features = self.decoders[level - 1](torch.cat([up, maps[level]], dim=1))
            if self.alpha[level] > 0:
                fields.append(self._field(features, level, image.shape[2:]))
        combined = fields[0]
        for field in fields[1:]:
            combined = combined + field if self.combination == "sum" else compose(combined, field)
        return combined

    def _encode(self, image: Tensor, top: int) -> list[Tensor]:
        """The last map of each encoder up to a level, coarse to fine."""
        maps: list[Tensor] = []
        for level in range(top, -1, -1):
            gamma = sum(self.alpha[level + 1 :])
            entering = image
            if level < self.levels - 1:
                parts = [(gamma, POOLING[self.spatial_dims](maps[0], 2))] if gamma > 0 else []
                if gamma < 1:
                    small = LARGE_TO_SMALL[self.spatial_dims](image, 2 ** (self.levels - 1 - level))
                    parts.append((1 - gamma, self.level_inputs[level](small)))
                entering = _weighted_sum(parts)
            maps.insert(0, self.encoders[level](entering))
        return maps

    def _field(self, features: Tensor, level: int, shape: Sequence[int]) -> Tensor:
        """Weighted field of a level at full resolution."""
        if level == self.levels - 1:
            ddf = self.head(features).float()
        else:
            mode = UPSAMPLING_MODE[self.spatial_dims]
            ddf = F.interpolate(self.level_outputs[level](features).float(), tuple(shape), mode=mode)
        return _weighted_sum([(self.alpha[level], ddf)])

    def __prepare_scriptable__(self) -> nn.Module:
        """Give TorchScript the plain U-Net."""
        return self.plain().__prepare_scriptable__()


def plain_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out of the weights of a `ProgressiveUNet` those that are used in training alone.

    Args:
        weights: its `state_dict`, or already that of a `DisplacementUNet`.

    Returns:
        The `state_dict` of the `DisplacementUNet`.
    """
    return {name: value for name, value in weights.items() if not name.startswith(TRAINING_LAYERS)}


def _weighted_sum(parts: Sequence[tuple[float, Tensor]]) -> Tensor:
    """A part of weight 1 passes as it is, bit for bit."""
    first, *others = [part if weight == 1 else weight * part for weight, part in parts]
    for other in others:
        first = first + other
    return first
