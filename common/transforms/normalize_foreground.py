"""Intensities of paper 001: the foreground's mean and deviation decide what is clipped.

MONAI's `NormalizeIntensity` has no clipping between, and with `nonzero` it leaves the background as it was.
"""

import torch
from monai.transforms import Transform
from torch import Tensor


class NormalizeForeground(Transform):
    """Clip an image at some standard deviations around its mean, both of the voxels above 0, and scale it to [0, 1].

    Args:
        deviations: where it is clipped.

    Reference:
        Estienne et al., Learn2Reg 2020, https://doi.org/10.1007/978-3-030-71827-5_11 -- task 4, released code.

    Example:
        >>> NormalizeForeground()(torch.tensor([[0.0, 1.0, 3.0]]))
        tensor([[0.0000, 0.3333, 1.0000]])
    """

    def __init__(self, deviations: float = 5.0) -> None:
        self.deviations = deviations

    def __call__(self, image: Tensor, inside: Tensor | None = None) -> Tensor:
        """Normalize.

        Args:
            image: ``(C, *spatial)``, floating; each channel on its own.
            inside: voxels that count, bool of the same shape; by default all.

        Returns:
            The same shape and type; 0 where a channel is constant.
        """
        counts = torch.ones_like(image, dtype=torch.bool) if inside is None else inside
        return torch.stack([self._normalize(*each) for each in zip(image, counts, strict=True)])

    def _normalize(self, channel: Tensor, counts: Tensor) -> Tensor:
        foreground = channel[(channel > 0) & counts]
        if len(foreground):
            mean, reach = foreground.mean(), self.deviations * foreground.std(correction=0)
            channel = channel.clamp(mean - reach, mean + reach)
        return scale_to_range(channel, counts)


def scale_to_range(channel: Tensor, counts: Tensor) -> Tensor:
    """Scale a channel so that the least and the greatest value that count become 0 and 1; 0 where they are one."""
    known = channel[counts]
    low, high = (known.min(), known.max()) if len(known) else (channel.new_zeros(()),) * 2
    return (channel - low) / (high - low) if bool(high > low) else torch.zeros_like(channel)
