"""Random smooth deformations: what is drawn, and the spline through it.

MONAI's `Rand3DElastic` draws on the grid of the image and does not say where a point goes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .checks import check_count, check_ddf, check_spatial_shape
from .spline_field import SplineField, interpolating_spline


class RandomSpline(NamedTuple):
    r"""A distribution of B-spline fields, independent at every control point.

    .. math:: p = r N v^q, \quad v \sim U(-1, 1)

    N is the number of voxels along an axis, so that one setting serves every size of grid.

    Attributes:
        points: number of control points along every axis, or along each.
        amplitude: r, the largest displacement of a control point as a share of the axis's length, for all or for each.
        interpolating: the field takes the drawn values at its control points, see `interpolating_spline`; else they are
            coefficients, see `approximating_spline`, and the field is smaller and smoother.
        power: q, odd; with 3 most displacements are small.
    """

    points: int | Sequence[int]
    amplitude: float | Sequence[float]
    interpolating: bool = True
    power: int = 1

    def draw(
        self,
        spatial_shape: Sequence[int],
        batch: int = 1,
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> SplineField:
        """Draw a field for each item of a batch, on the CPU: the same numbers whatever the device.

        Args:
            spatial_shape: of the grid whose voxels it counts.
            batch: number of items.
            generator: source of randomness, torch's own by default.
            device: of the field.

        Returns:
            The field, `(batch, d, *points)` coefficients.

        Raises:
            ValueError: if the settings are not for so many axes, or the power is not odd.
        """
        dims = len(spatial_shape)
        grid = [self.points] * dims if isinstance(self.points, int) else list(self.points)
        share = [self.amplitude] * dims if isinstance(self.amplitude, int | float) else list(self.amplitude)
        check_count("draw", "batch", batch)
        check_spatial_shape("draw", grid, dims)
        if len(share) != dims or self.power % 2 == 0:
            rule = f"{dims} numbers as 'amplitude' and an odd 'power'"
            raise ValueError(f"RandomSpline() expects {rule}, got {self.amplitude} and {self.power}.")
        values = (2 * torch.rand(batch, dims, *grid, generator=generator) - 1) ** self.power
        largest = torch.tensor([r * n for r, n in zip(share, spatial_shape, strict=True)])
        values = (values * largest.view(-1, *[1] * dims)).to(device)
        lay = interpolating_spline if self.interpolating else approximating_spline
        return lay(values, spatial_shape)


def approximating_spline(control_points: Tensor, spatial_shape: Sequence[int]) -> SplineField:
    """Take control points as the coefficients of a spline, which they attract.

    Convention:
        The first control point lies at the edge of the first voxel and the last one at that of the last, `n / (N - 1)`
        voxels from one to the next. Those beyond count as zero, so that the field fades towards the border.

    Args:
        control_points: `(B, d, *grid)`, voxels; two or more along each axis.
        spatial_shape: of the grid.

    Returns:
        The field.

    Raises:
        TypeError: if the control points are not a tensor of floating point numbers.
        ValueError: if a shape is wrong.

    Reference:
        Zhao et al., "Unsupervised 3D End-to-End Medical Image Registration With Volume Tweening Network", JBHI 2020,
        https://doi.org/10.1109/JBHI.2019.2951024 -- the augmentation in the released code.
    """
    check_ddf("approximating_spline", control_points, "control_points")
    grid = control_points.shape[2:]
    check_spatial_shape("approximating_spline", spatial_shape, len(grid))
    if min(grid) < 2:
        rule = "two or more along each axis"
        raise ValueError(
            f"approximating_spline() expects 'control_points' of {rule}, got {tuple(control_points.shape)}."
        )
    spacing = tuple(size / (count - 1) for size, count in zip(spatial_shape, grid, strict=True))
    return SplineField(control_points, spacing, (-0.5,) * len(grid))
