"""How fields are sampled, smoothed, composed and brought to other grids: exactly, or as a reference implementation.

The released code of paper 003 scales displacements by `(n - 1) / 2` but samples with `align_corners=False`, which
stretches each of them by `n / (n - 1)`, surrounds everything with zeros, and composes the wrong way round. Parity with
its results needs all of it, so it is one object, chosen once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common.spatial import identity_grid, mean_filter, mean_filter_inside, sample
from common.spatial.checks import check_ddf, check_image, check_same_space
from common.spatial.precision import full_precision, lift

from .parts import Part


@dataclass(frozen=True)
class Scheme:
    """What moves values in a registration by optimization; by default nothing does that need not.

    Attributes:
        stretched: displacements are counted from corner to corner of a grid: places are `x + u(x) n / (n - 1)`, and a
            field grows by `(n_out - 1) / (n_in - 1)`.
        padding: beyond the grid, images and features are `"zeros"` or continue as at the `"border"`. With zeros, mean
            filters let them in, which shrinks the values there.
        interpolation: of the moving image between two warps, `"bilinear"` or `"nearest"`.
        backwards: displacements are composed as `u_0(x) + u_1(x + u_0(x))`, which is the wrong way round.
        centered: every feature map is taken for one whose voxels lie in the middle of those they stand for.
        whole: instance optimization smooths the whole field, not what it adds.
        steady: instance optimization keeps its learning rate, which else falls to 0 along half a cosine.
        last: instance optimization returns the field of the last loss, before the last step, not that of the lowest.
        folds: what folds in the end stays.
        unbounded: what lies beyond the field of view of a scan counts.
        commuting: a field follows two affine maps as if these commuted, see `transport_displacement`.
    """

    stretched: bool = False
    padding: str = "border"
    interpolation: str = "bilinear"
    backwards: bool = False
    centered: bool = False
    whole: bool = False
    steady: bool = False
    last: bool = False
    folds: bool = False
    unbounded: bool = False
    commuting: bool = False

    def pull_back(self, image: Tensor, ddf: Tensor, mode: str = "bilinear", part: Part | None = None) -> Tensor:
        """Look an image or a field up at displaced places.

        .. math:: w(x) = m(x + u(x))

        Args:
            image: `(B, C, *spatial)`, 2-D or 3-D.
            ddf: displacement u, `(B, d, *spatial)`, voxels.
            mode: `"bilinear"` or `"nearest"`.
            part: voxels x of the grid that the field is of; all without it.

        Returns:
            `(B, C, *spatial)`, or `(B, C, *part)`, of the type of the image.

        Raises:
            TypeError: if an argument is not a tensor, or the field not of floating point numbers.
            ValueError: if the shapes do not fit, the mode is unknown, or displacements of a part are stretched.
        """
        check_image("pull_back", "image", image)
        check_ddf("pull_back", ddf)
        looking = image if part is None else part.of(image)
        check_same_space("pull_back", "ddf", ddf, looking, image.ndim - 2)
        return sample(image, self.places(ddf, part), mode, padding=self.padding)

    def places(self, ddf: Tensor, part: Part | None = None) -> Tensor:
        """Where every voxel looks.

        Stretched places are rounded as the reference implementation rounds: gradient descent is so sensitive to the
        side of a voxel a place falls on that equal formulas do not give equal fields.

        Args:
            ddf: displacement u, `(B, d, *spatial)`, voxels.
            part: see `pull_back`; not where displacements are stretched.

        Returns:
            `(B, d, *spatial)`, voxels, float32 or float64.

        Raises:
            ValueError: if displacements of a part are stretched.
        """
        with full_precision(ddf):
            ddf = lift(ddf)
            if part is not None and not part.everything:
                if self.stretched:
                    raise ValueError("Displacements of a part of the voxels cannot be stretched: look at all of them.")
                return ddf + part.grid(ddf)
            if not self.stretched:
                return ddf + identity_grid(ddf.shape[2:], ddf.dtype, ddf.device)
            return torch.stack([_stretched_places(u, axis) for axis, u in enumerate(ddf.unbind(1))], dim=1)

    def growth(self, old: Sequence[int], new: Sequence[int], stride: float) -> list[float]:
        """By what a displacement grows along each axis, on its way to a grid that is finer by a stride."""
        if self.stretched:
            return [(to - 1) / (of - 1) for of, to in zip(old, new, strict=True)]
        return [float(stride)] * len(new)

    def compose(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Displacement of two warps, the later one of what the earlier has left.

        .. math:: u(x) = u_1(x) + u_0(x + u_1(x))

        Args:
            earlier: u_0, `(B, d, *spatial)`, voxels.
            later: u_1, `(B, d, *spatial)`, voxels.
        """
        if self.backwards:
            earlier, later = later, earlier
        return later + self.pull_back(earlier, later)

    def smooth(self, field: Tensor, repeats: int) -> Tensor:
        """Average a field over boxes of three voxels a side, again and again.

        Where no zeros are let in, the average is over the voxels of the grid alone, so a constant stays one.

        Args:
            field: `(B, C, *spatial)`, 2-D or 3-D, any unit.
            repeats: how often.

        Returns:
            Smoothed field, `(B, C, *spatial)`, in the unit of `field`.

        Raises:
            TypeError: if the field is not a tensor of floating point numbers.
            ValueError: if its shape is wrong or `repeats` is negative.
        """
        check_image("smooth", "field", field)
        average = mean_filter if self.padding == "zeros" else mean_filter_inside
        return average(field, repeats)


def _stretched_places(displacement: Tensor, axis: int) -> Tensor:
    """Places along one axis, `(B, *spatial)`, by way of the normalized coordinates of `affine_grid`."""
    size = displacement.shape[axis + 1]
    centers = torch.linspace(-1, 1, size, dtype=displacement.dtype, device=displacement.device) * (size - 1) / size
    centers = centers.view(-1, *[1] * (displacement.ndim - axis - 2))
    normalized = centers + displacement / ((size - 1) / 2)
    return ((normalized + 1) * size - 1) / 2


EXACT = Scheme()
REFERENCE = Scheme(
    stretched=True,
    padding="zeros",
    interpolation="nearest",
    backwards=True,
    centered=True,
    whole=True,
    steady=True,
    last=True,
    folds=True,
    unbounded=True,
    commuting=True,
)
