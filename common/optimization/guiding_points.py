"""Points that correspond steer a registration: where it begins, what candidates cost, what its optimization misses.

MONAI has no registration by points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from common.spatial import invert_points, mean_filter, sample

from .correlation import displacement_candidates
from .parts import Part, whole

STEP = 2  # voxels from one evaluation of the first field to the next
REACH = 0.5  # of the longest side of the grid: how far a point is felt at least
SLOPE = 4.0  # so many times its displacement, so that nothing folds
SMOOTHING = 1e-3
CANDIDATE_WEIGHT = 3.0  # of a candidate in the voxel of a point, cost per squared voxel of the features
WEIGHT = 1e5  # of the squared distance that a field misses a point by, in voxels of the features
FOUND = 0.1  # voxels


@dataclass(frozen=True)
class GuidingPoints:
    r"""Points of the fixed image and their partners in the moving image, of one pair.

    They add to the energy of a registration u the quadratic term of Ruehaak et al.,

    .. math:: \sum_k |p_k + u(p_k) - q_k|^2

    Attributes:
        fixed: p, `(N, d)`, voxels, one or more.
        moving: q, `(N, d)`, voxels.

    Reference:
        Ruehaak et al., "Estimation of large motion in lung CT by integrating regularized keypoint correspondences into
        dense deformable registration", IEEE TMI 2017, https://doi.org/10.1109/TMI.2017.2691259. Of the first field:
        Fornefett, Rohr, Stiehl, "Radial basis functions with compact support for elastic registration of medical
        images", Image and Vision Computing 2001, https://doi.org/10.1016/S0262-8856(00)00057-3.
    """

    fixed: Tensor
    moving: Tensor

    def reversed(self) -> "GuidingPoints":
        """The same of the opposite direction."""
        return GuidingPoints(self.moving, self.fixed)

    def on_lattice(self, stride: float, centered: bool) -> "GuidingPoints":
        """The same in the voxels of a coarser grid, see `resample_lattice`."""
        shift = 0.5 if centered else 0.0
        return GuidingPoints(*((points + shift) / stride - shift for points in (self.fixed, self.moving)))

    def first_field(self, spatial_shape: Sequence[int]) -> Tensor:
        r"""A smooth field that leads the points to their partners, and is none far from them.

        .. math:: u(x) = \sum_k w_k \psi(|x - p_k| / a), \quad \psi(r) = (1 - r)_+^4 (4 r + 1)

        with Wendland's function, which is positive definite: any number of points, at any places, has one solution.

        Args:
            spatial_shape: of the field.

        Returns:
            Displacement, `(1, d, *spatial_shape)`, voxels, float32.
        """
        points, ways = self.fixed.double(), (self.moving - self.fixed).double()
        reach = max(REACH * max(spatial_shape), SLOPE * float(ways.norm(dim=1).max()))
        system = _wendland(points, points, reach) + SMOOTHING * torch.eye(len(points)).to(points)
        weights = torch.linalg.solve(system, ways).float()
        knots = [max((n - 2) // STEP, 0) + 2 for n in spatial_shape]
        axes = [torch.linspace(0, n - 1, k, device=points.device) for n, k in zip(spatial_shape, knots, strict=True)]
        rows = torch.cartesian_prod(*axes).split(2**14)
        coarse = torch.cat([_wendland(part, self.fixed.float(), reach) @ weights for part in rows])
        mode = "trilinear" if len(knots) == 3 else "bilinear"
        return F.interpolate(coarse.T.unflatten(1, knots)[None], tuple(spatial_shape), mode=mode, align_corners=True)

    def left_by(self, ddf: Tensor) -> "GuidingPoints":
        """What a field leaves: the partners become the points that it brings to them, y with y + u(y) = q.

        Args:
            ddf: u, `(1, d, *spatial)`, voxels.
        """
        found = invert_points(self.moving.to(ddf)[None], ddf)
        known = (found.residual[0] < FOUND) & found.points[0].isfinite().all(1)
        guess = self.moving.to(ddf) - sample(ddf, self.fixed.to(ddf).T[None])[0].T
        return GuidingPoints(self.fixed, torch.where(known[:, None], found.points[0], guess))

    def add_to(self, cost: Tensor, radius: int) -> Tensor:
        """Add to the candidates of a cost volume, near the points, the squared distance to where these go.

        Args:
            cost: `(1, (2 * radius + 1) ** d, *spatial)`, on the grid whose voxels the points are counted in.
            radius: see `displacement_candidates`; points that go farther want the outermost of them.

        Returns:
            Cost, of the same shape.
        """
        shape = cost.shape[2:]
        candidates = displacement_candidates(radius, len(shape)).to(cost)  # (K, d)
        places = self.fixed.round().long()
        inside = ((places >= 0) & (places < torch.tensor(shape).to(places))).all(1)
        ways = (self.moving - self.fixed)[inside].clamp(-radius, radius).to(cost)
        told = torch.cat([torch.ones_like(ways[:, :1]), ways, ways.square().sum(1, keepdim=True)], 1)
        numbers = torch.zeros_like(places[inside, 0])
        for axis, size in enumerate(shape):
            numbers = numbers * size + places[inside, axis]
        sums = told.new_zeros(told.shape[1], prod(shape)).index_add_(1, numbers, told.T)
        near = mean_filter(sums.view(1, -1, *shape), 2)  # a point is felt two voxels around it
        count, way, square = near.split([1, len(shape), 1], 1)
        share = CANDIDATE_WEIGHT * (count * 3 ** len(shape)).clamp_max(1) / count.clamp_min(1e-6)
        lengths = candidates.square().sum(1).view(1, -1, *[1] * len(shape))
        return cost + share * (count * lengths - 2 * torch.einsum("kd,bd...->bk...", candidates, way) + square)

    def missed(self, field: Tensor, part: Part | None = None) -> Tensor:
        """Sum of the squared distances by which a field misses the points, over the number of voxels; see `WEIGHT`.

        Args:
            field: displacement on the grid whose voxels the points are counted in, `(1, d, *spatial)`.
            part: voxels of the grid that the field is of; all without it.
        """
        steps, first = whole(field.ndim - 2) if part is None else part
        fixed = self.fixed.to(field)
        reached = fixed + sample(field, ((fixed - fixed.new_tensor(first)) / fixed.new_tensor(steps)).T[None])[0].T
        return WEIGHT * (reached - self.moving.to(field)).square().sum() / (field[0, 0].numel() * prod(steps))


def _wendland(places: Tensor, points: Tensor, reach: float) -> Tensor:
    """All values of psi, `(M, N)`."""
    distance = torch.cdist(places, points, compute_mode="donot_use_mm_for_euclid_dist") / reach
    return (1 - distance).clamp_min(0) ** 4 * (4 * distance + 1)
