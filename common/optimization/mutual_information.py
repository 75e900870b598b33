"""Mutual information of an image and a displaced one: what gray values tell, whatever they mean in each scan.

MONAI's `GlobalMutualInformationLoss` keeps a number for each voxel and bin, and knows no fields of view.
"""

from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from common.spatial import window_sum
from common.spatial.checks import check_count, check_ddf, check_image, check_same_space
from common.spatial.precision import full_precision, lift, outside_inference

from ._chunks import CHUNK
from .guidance import coarsen_features
from .parts import Part, whole
from .scheme import EXACT, Scheme

RANGE = (0.01, 0.99)  # quantiles of the gray values that lie in the first and in the last bin
SAMPLE = 200_000  # voxels that decide it
RARE = 1e-9  # probability below which two values are said not to meet
SURROUNDINGS = 5  # voxels, side of the box that a gray value is compared with


class MutualInformation:
    r"""Negative mutual information of fixed and displaced moving gray values.

    .. math:: E(u) = -\sum_{kl} p_{kl} \log \frac{p_{kl}}{p_k p_l}

    p is the joint histogram of F(x) and M(x + u(x)); every value counts for the two bins around it, by its distance
    from each. The gradient with respect to u is analytic: what p_k and p_l change by cancels out, which leaves the
    slope of the logarithm along the bins of M.

    Args:
        fixed: F, `(B, 1, *spatial)`, 2-D or 3-D, any unit.
        moving: M, `(B, 1, *spatial)`, any unit.
        scheme: where to look, and what lies beyond the grid of M.
        known: voxels of F that count, `(B, 1, *spatial)`, 0 for those that do not.
        bins: of the gray values of each; fewer where less than their cube of voxels are compared, so that chance does
            not fill the histogram.
        weight: factor of the result.

    Raises:
        TypeError: if an argument is not a tensor.
        ValueError: if the shapes differ, or there are fewer than two bins.

    Reference:
        Viola and Wells, "Alignment by Maximization of Mutual Information", IJCV 1997,
        https://doi.org/10.1023/A:1007958904918; shared values after Maes et al., "Multimodality Image Registration by
        Maximization of Mutual Information", TMI 1997, https://doi.org/10.1109/42.563664.

    Example:
        >>> image = torch.rand(1, 1, 8, 9, 10)
        >>> information = MutualInformation(image, 1 - image)
        >>> bool(information(torch.zeros(1, 3, 8, 9, 10)) < information(torch.ones(1, 3, 8, 9, 10)))
        True
    """

    def __init__(
        self,
        fixed: Tensor,
        moving: Tensor,
        scheme: Scheme = EXACT,
        known: Tensor | None = None,
        bins: int = 32,
        weight: float = 1.0,
    ) -> None:
        check_image("MutualInformation", "fixed", fixed)
        check_same_space("MutualInformation", "moving", moving, fixed, fixed.shape[1])
        check_same_space("MutualInformation", "fixed", fixed, fixed, 1)
        check_count("MutualInformation", "bins", bins, 2)
        if known is not None:
            check_same_space("MutualInformation", "known", known, fixed, 1)
        self.scheme, self.weight = scheme, weight
        self.known = outside_inference(torch.ones_like(fixed, dtype=torch.bool) if known is None else known.bool())
        self.bins = bins
        self.fixed, self.moving = (self._scaled(lift(image.detach())) for image in (fixed, moving))
        self.fixed = self.fixed.where(self.known, 0.0)  # what is not known may be no number

    def __call__(self, ddf: Tensor, part: Part | None = None) -> Tensor:
        """Return the negative mutual information of each sample.

        Args:
            ddf: displacement u, `(B, d, *spatial)`, voxels; at the voxels of the part.
            part: voxels of F that are compared; all without it.

        Returns:
            `(B,)`, nats times the weight; 0 where nothing is known.

        Raises:
            TypeError: if the field is not a tensor of floating point numbers.
            ValueError: if its shape does not fit.
        """
        part = whole(self.fixed.ndim - 2) if part is None else part
        fixed, known = part.of(self.fixed), part.of(self.known)
        check_ddf("MutualInformation", ddf)
        check_same_space("MutualInformation", "ddf", ddf, fixed, ddf.shape[1])
        with full_precision(ddf):
            ddf = lift(ddf)
            warped = self.scheme.pull_back(self.moving.to(ddf.dtype), ddf, part=part).flatten(1)
            samples = zip(fixed.to(ddf.dtype).flatten(1), warped, known.flatten(1), strict=True)
            return -self.weight * torch.stack([self._of_sample(*sample) for sample in samples])

    def _of_sample(self, fixed: Tensor, moving: Tensor, known: Tensor) -> Tensor:
        bins = max(2, min(self.bins, round(int(known.sum()) ** (1 / 3))))
        information: Tensor = _Information.apply(fixed * (bins - 1), moving * (bins - 1), known.to(moving.dtype), bins)
        return information

    def _scaled(self, image: Tensor) -> Tensor:
        """Gray values from 0, in the first bin, to 1, in the last one."""
        scaled = torch.zeros_like(image)
        for sample, known, result in zip(image, self.known, scaled, strict=True):
            values = sample[known]
            if len(values):
                low, high = torch.quantile(_some_of(values), values.new_tensor(RANGE))
                result.copy_(((sample - low) / (high - low).clamp_min(1e-20)).clamp(0, 1))
        return outside_inference(scaled)


def _some_of(values: Tensor) -> Tensor:
    """`SAMPLE` of many values, always the same ones; not every n-th, which may all lie in one slice."""
    if len(values) <= SAMPLE:
        return values
    return values[torch.randint(len(values), (SAMPLE,), generator=torch.Generator().manual_seed(0)).to(values.device)]


def detail(image: Tensor, stride: int, centered: bool) -> Tensor:
    r"""Leave of an image what each voxel differs by from its surroundings: no shading, no bias field.

    Args:
        image: `(B, 1, *spatial)`, 2-D or 3-D, sides that the stride divides, any unit.
        stride: side of a voxel of the result, voxels of the image.
        centered: where these voxels lie, see `resample_lattice`.

    Returns:
        Difference from the mean of a box of `SURROUNDINGS` voxels a side, as much of it as lies on the grid,
        `(B, 1, *spatial / stride)`, in the unit of the image, float32 or float64.
    """
    coarse = coarsen_features(lift(image), stride, centered)
    voxels = window_sum(torch.ones_like(coarse[:1]), SURROUNDINGS)
    return coarse - window_sum(coarse, SURROUNDINGS) / voxels


class _Information(torch.autograd.Function):
    """Mutual information of two lists of places among bins, `(N,)`, where known is 1; with the second's gradient."""

    @staticmethod
    def forward(ctx: Any, fixed: Tensor, moving: Tensor, known: Tensor, bins: int) -> Tensor:
        count = known.sum().clamp_min(1)
        portion = CHUNK if moving.device.type == "cpu" else max(len(moving), 1)  # elsewhere each start takes long
        joint = moving.new_zeros(bins * bins, dtype=torch.float64)
        for here, there, counted in zip(*(each.split(portion) for each in (fixed, moving, known)), strict=True):
            (row, down), (column, right) = _between(here, bins), _between(there, bins)
            for below, beside in product((0, 1), repeat=2):
                shares = (down if below else 1 - down) * (right if beside else 1 - right) * counted
                joint += torch.bincount((row + below) * bins + column + beside, shares.double(), bins * bins)
        p = (joint / count).view(bins, bins)
        ratio = p.clamp_min(RARE) / (p.sum(0) * p.sum(1, keepdim=True)).clamp_min(RARE**2)
        logarithm = ratio.log()
        slope = (logarithm.diff(dim=1) / count).to(moving.dtype).flatten()  # (bins * (bins - 1),)
        slopes = torch.empty_like(moving)
        for here, there, counted, found in zip(
            *(each.split(portion) for each in (fixed, moving, known, slopes)), strict=True
        ):
            (row, down), (column, _) = _between(here, bins), _between(there, bins)
            at = row * (bins - 1) + column
            found.copy_(torch.lerp(slope[at], slope[at + bins - 1], down) * counted)
        ctx.save_for_backward(slopes)
        return (p * logarithm).sum().to(moving.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        return None, ctx.saved_tensors[0] * gradient, None, None


def _between(places: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """The bin below each place, and how far it is on the way to the next."""
    first = places.detach().floor().clamp(0, bins - 2)
    return first.long(), places.detach() - first
