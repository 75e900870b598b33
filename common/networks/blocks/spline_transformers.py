"""From a coarse grid of control points to a displacement at every voxel.

MONAI's `Warp` starts from a dense field; nothing in it makes one from control points.
"""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from common.spatial import bspline_displacement, thin_plate_spline_displacement


class _SplineTransformer(nn.Module):
    """A spline as a module.

    Args:
        evaluate: the function of `common.spatial`, settings bound.
        settings: for printing.
    """

    def __init__(self, evaluate: Callable[..., Tensor], **settings: object) -> None:
        super().__init__()
        self.evaluate = evaluate
        self.settings = settings

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
        return self.evaluate(control_points, spatial_shape=spatial_shape, offset=offset)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return ", ".join(f"{name}={value}" for name, value in self.settings.items())


class BSplineTransformer(_SplineTransformer):
    """Evaluate B-splines, see `common.spatial.bspline_displacement`.

    Args:
        spacing: voxels between control points along each axis.
        order: 2 or 3.
    """

    def __init__(self, spacing: Sequence[int], order: int = 3) -> None:
        spacing = tuple(spacing)
        super().__init__(partial(bspline_displacement, spacing=spacing, order=order), spacing=spacing, order=order)


class ThinPlateSplineTransformer(_SplineTransformer):
    """Interpolate by thin-plate splines, see `common.spatial.thin_plate_spline_displacement`.

    Args:
        spacing: voxels between control points along each axis.
    """

    def __init__(self, spacing: Sequence[int]) -> None:
        spacing = tuple(spacing)
        super().__init__(partial(thin_plate_spline_displacement, spacing=spacing), spacing=spacing)
