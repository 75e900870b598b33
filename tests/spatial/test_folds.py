from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor

from common.spatial import identity_grid
from common.spatial.folds import reached_by_folds


def count_arrivals(arrivals: Tensor, places: Tensor) -> list[int]:
    """How many simplices of the grid cover each place, one by one: what several cover is reached several times."""
    dims = len(arrivals)
    cells = [tuple(cell) for cell in np.ndindex(*[n - 1 for n in arrivals.shape[1:]])]
    counts = np.zeros(places.shape[1], dtype=int)
    for order in permutations(range(dims)):
        for cell in cells:
            corner, corners = list(cell), [cell]
            for axis in order:
                corner[axis] += 1
                corners.append(tuple(corner))
            x = np.array([arrivals[(slice(None), *c)].double().numpy() for c in corners])  # (d + 1, d)
            system = np.vstack([x.T, np.ones(dims + 1)])
            if abs(np.linalg.det(system)) > 1e-12:
                wanted = np.vstack([places.double().numpy(), np.ones(places.shape[1])])
                counts += (np.linalg.solve(system, wanted) > 0).all(axis=0)
    return counts.tolist()


@pytest.mark.parametrize(("shape", "peak"), [((16, 17), 12.0), ((9, 10, 8), 9.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_reached_by_folds_is_where_several_simplices_arrive(
    smooth_noise: Callable[..., Tensor], shape: Sequence[int], peak: float, seed: int
) -> None:
    # nothing moves at the border, so that the grid is filled
    window = torch.stack([torch.sin(torch.pi * x / (n - 1)) for x, n in zip(identity_grid(shape), shape, strict=True)])
    arrivals = identity_grid(shape) + smooth_noise(shape, peak, seed=seed)[0] * window.prod(dim=0)
    places = identity_grid(shape).flatten(1) + torch.tensor([0.31, 0.17, 0.43])[: len(shape), None]
    inner = (places < torch.tensor(shape)[:, None] - 1).all(dim=0)
    counts = torch.tensor(count_arrivals(arrivals, places))[inner]
    assert (counts >= 1).all()
    assert (counts > 1).sum() > 2
    assert torch.equal(reached_by_folds(arrivals, places)[inner], counts > 1)


def test_reached_by_folds_in_portions_is_the_same(
    smooth_noise: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals = identity_grid((12, 13, 14)) + smooth_noise((12, 13, 14), 4.0)[0]
    places = identity_grid((12, 13, 14)).flatten(1) + 0.2
    whole = reached_by_folds(arrivals, places)
    assert whole.any()
    monkeypatch.setitem(reached_by_folds.__globals__, "PORTION", 500)
    assert torch.equal(reached_by_folds(arrivals, places), whole)


def test_a_diffeomorphism_reaches_nothing_twice(flow: Callable[..., Tensor]) -> None:
    arrivals = identity_grid((20, 21, 22)) + flow((20, 21, 22), 3.0, cell=8)[0]
    assert not reached_by_folds(arrivals, identity_grid((20, 21, 22)).flatten(1)).any()


def test_a_field_that_is_folded_to_pieces_has_no_inverse_anywhere() -> None:
    arrivals = identity_grid((9, 9, 9)) + 40 * torch.randn(3, 9, 9, 9)
    places = torch.tensor([[4.0, 1e30], [4.0, 0.0], [4.0, 0.0]])
    assert reached_by_folds(arrivals, places).any()


def test_grids_without_cells_have_no_folds() -> None:
    assert not reached_by_folds(identity_grid((5, 6, 1)), torch.zeros(3, 4)).any()
