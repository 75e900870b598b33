"""The distance of two feature maps near a displacement, their features taken to be linear: Gauss' and Newton's."""

import torch
from torch import Tensor

from ._chunks import CHUNK


class QuadraticDistance:
    r"""What a mean squared distance is near a displacement, with features that change linearly.

    .. math:: E(u + s) = E(u) + mean_x (2 f(x) \cdot s(x) + s(x) \cdot A(x) s(x))

    With r the residuals of the C features at a voxel and D their slopes, f = D r / C and A = D D' / C: in 3-D twelve
    numbers a voxel, whatever C is, and nothing to interpolate. It holds as long as s is short, of about a voxel.

    Args:
        ddf: u, `(B, d, *spatial)`, voxels.
        distance: E(u) of each sample, `(B,)`.
        force: f, `(B, d, voxels)`.
        curvature: A, `(B, d, d, voxels)`.
    """

    def __init__(self, ddf: Tensor, distance: Tensor, force: Tensor, curvature: Tensor) -> None:
        self.ddf, self.distance = ddf, distance
        self.force, self.curvature = force, curvature

    def evaluate(self, ddf: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance of each sample under u + s, `(B,)`, and its gradient, `(B, d, *spatial)`."""
        steps = (ddf - self.ddf).flatten(2)
        count = steps.shape[2]
        changes, gradient = torch.zeros_like(self.distance), torch.empty_like(steps)
        for start in range(0, count, CHUNK):
            part = slice(start, start + CHUNK)
            step, force = steps[..., part], self.force[..., part]
            pull = force + (self.curvature[..., part] * step[:, None]).sum(dim=2)
            changes += ((force + pull) * step).flatten(1).sum(dim=1)
            gradient[..., part] = pull * (2 / count)
        return self.distance + changes / count, gradient.view_as(ddf)
