"""From a coarse grid of control points to a displacement at every voxel.

MONAI's `Warp` starts from a dense field; nothing in it makes one from control points.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from common.spatial import bspline_displacement, thin_plate_spline_displacement


class BSplineTransformer(nn.Module):
    """Evaluate B-splines, see `common.spatial.bspline_displacement`.

    Args:
        spacing: voxels between control points along each axis.
        order: 2 or 3.
    """

    def __init__(self, spacing: Sequence[int], order: int = 3) -> None:
        super().__init__()
        self.spacing = tuple(spacing)
        self.order = order

    def forward(
        self,
        control_points: Tensor,
        spatial_shape: Sequence[int] | None = None,
        offset: Sequence[float] | None = None,
    ) -> Tensor:
        """Evaluate.

        Args:
            control_points: `(B, d, *grid)`, voxels of the result.
            spatial_shape: shape of the result; by default `spacing * grid`.
            offset: voxel of the first control point; by default the middle of its cell.

        Returns:
            Displacement, `(B, d, *spatial)`, voxels.
        """
        return bspline_displacement(control_points, self.spacing, spatial_shape, self.order, offset)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f"spacing={self.spacing}, order={self.order}"


class ThinPlateSplineTransformer(nn.Module):
    """Interpolate by thin-plate splines, see `common.spatial.thin_plate_spline_displacement`.

    Args:
        spacing: voxels between control points along each axis.
    """

    def __init__(self, spacing: Sequence[int]) -> None:
        super().__init__()
        self.spacing = tuple(spacing)

    def forward(
        self,
        control_points: Tensor,
        spatial_shape: Sequence[int] | None = None,
        offset: Sequence[float] | None = None,
    ) -> Tensor:
        """Interpolate.

        Args:
            control_points: `(B, d, *grid)`, voxels of the result.
            spatial_shape: shape of the result; by default `spacing * grid`.
            offset: voxel of the first control point; by default the middle of its cell.

        Returns:
            Displacement, `(B, d, *spatial)`, voxels.
        """
        return thin_plate_spline_displacement(control_points, self.spacing, spatial_shape, offset)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f"spacing={self.spacing}"
