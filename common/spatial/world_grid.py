"""Where the voxels of a scan lie in the world."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from .frames import voxel_to_world
from .grid import slabs


class Grid(NamedTuple):
    """Where voxels lie in the world.

    Attributes:
        shape: voxels along each axis.
        affine: voxel to world (RAS, mm), ``(d + 1, d + 1)``, float64.
    """

    shape: tuple[int, ...]
    affine: torch.Tensor

    @property
    def spacing(self) -> torch.Tensor:
        """Distance of neighboring voxel centers, mm, ``(d,)``."""
        return self.affine[:-1, :-1].norm(dim=0)

    def map_to(self, affine: torch.Tensor) -> torch.Tensor:
        """Coordinates of this grid's voxels in the voxels of another grid, ``(1, d, *shape)``, float32."""
        return affine_places(torch.linalg.solve(affine.double(), self.affine), self.shape)[None]

    def slabs(self) -> Iterator[tuple[slice, "Grid"]]:
        """Cut the grid along its first axis, see `slabs`: for each slab its planes, and its own grid."""
        for planes in slabs(self.shape):
            affine = self.affine.clone()
            affine[:-1, -1] += planes.start * self.affine[:-1, 0]
            yield planes, Grid((planes.stop - planes.start, *self.shape[1:]), affine)

    def affine_3d(self, place: torch.Tensor | None = None) -> torch.Tensor:
        """The affine of this grid as files of 2-D images have it, ``(4, 4)``.

        Args:
            place: ``(4, 4)``: where a slice lies along the third axis; by default at 0, 1 mm thick.
        """
        dims = len(self.shape)
        affine = torch.eye(4, dtype=torch.float64) if place is None else place.double().clone()
        affine[:dims, :dims] = self.affine[:-1, :-1]
        affine[:dims, 3] = self.affine[:-1, -1]
        return affine


def affine_places(matrix: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Where an affine map brings each voxel of a grid.

    .. math:: y(x) = A x + t

    Summed up axis by axis in double precision: no voxel is multiplied by the matrix.

    Args:
        matrix: ``[A t; 0 1]``, ``(d + 1, d + 1)``.
        shape: of the grid, d axes.

    Returns:
        ``(d, *shape)``, float32.

    Example:
        >>> affine_places(torch.tensor([[1.0, 0, 5], [0, 2, 0], [0, 0, 1]]), (1, 3))[:, 0]
        tensor([[5., 5., 5.],
                [0., 2., 4.]])
    """
    places = torch.empty(len(shape), *shape)
    for c, row in enumerate(matrix[:-1].double()):
        total = row[-1]
        for axis in reversed(range(len(shape))):
            total = total + (row[axis] * torch.arange(shape[axis])).view(-1, *[1] * (len(shape) - 1 - axis))
        places[c] = total
    return places


def center_of(grid: Grid) -> torch.Tensor:
    """World position of the middle of the field of view, mm, ``(d,)``."""
    return voxel_to_world((torch.tensor(grid.shape).double() - 1) / 2, grid.affine)


def place_centered(shape: tuple[int, ...], directions: torch.Tensor, center: torch.Tensor) -> Grid:
    """Make a grid with the given voxel axes (columns, mm) around a world point."""
    dims = len(shape)
    affine = torch.eye(dims + 1, dtype=torch.float64)
    affine[:-1, :-1] = directions
    affine[:-1, -1] = center - directions @ ((torch.tensor(shape).double() - 1) / 2)
    return Grid(shape, affine)


def box_grid(grid: Grid, box: Sequence[slice]) -> Grid:
    """The grid of a box of voxels of another grid; it may reach out of that."""
    affine = grid.affine.clone()
    affine[:-1, -1] = voxel_to_world(torch.tensor([each.start for each in box]).double(), grid.affine)
    return Grid(tuple(each.stop - each.start for each in box), affine)
