"""Belief propagation against recorded displacements, exact inference on a tree, and numerical derivatives."""

import sys
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from common.optimization import belief_propagation, displacement_graph, expected_displacement
from common.spatial import nearest_points

Oracle = Callable[[str], dict[str, np.ndarray]]
MODULE = sys.modules[belief_propagation.__module__]


def draw(points: int = 12, candidates: int = 9, seed: int = 0) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Costs, displacements and graph, float64."""
    torch.manual_seed(seed)
    places = torch.rand(points, 3, dtype=torch.float64)
    cost = torch.rand(points, candidates, dtype=torch.float64)
    return cost, torch.rand(points, candidates, 3, dtype=torch.float64), displacement_graph(places, 3)


def plain(cost: Tensor, displacements: Tensor, edges: Tensor, reverse: Tensor, iterations: int = 5) -> Tensor:
    """The equation as it stands, messages as large as they grow."""
    messages = torch.zeros(len(edges), cost.shape[1], dtype=cost.dtype)
    for _ in range(iterations):
        belief = cost + torch.zeros_like(cost).index_add(0, edges[:, 1], messages)
        told = belief[edges[:, 0]] - messages[reverse]
        passed = []
        for (start, end), sent in zip(edges.tolist(), told, strict=True):
            steps = displacements[start][:, None] - displacements[end][None]
            passed.append((sent[:, None] + 10 * steps.square().sum(2)).amin(0))
        messages = torch.stack(passed)
    return belief


@pytest.mark.parametrize("name", ["003_lbp_given_features", "003_pointcloud_lbp"])
def test_belief_propagation_equals_released_code(oracle: Oracle, name: str) -> None:
    """The released arithmetic gives the recorded numbers, and in double precision ours."""
    keys = ("kpts_fixed", "kpts_moving", "feat_fixed", "feat_moving", "disp_pred")
    recorded = {key: torch.tensor(oracle(name)[key])[0] for key in keys}
    fixed, moving = recorded["kpts_fixed"], recorded["kpts_moving"]
    nearest = nearest_points(fixed, moving, 256)
    cost = (recorded["feat_fixed"][:, None] - recorded["feat_moving"][nearest]).square().mean(2)
    displacements, graph = moving[nearest] - fixed[:, None], displacement_graph(fixed, 10)
    released = expected_displacement(plain(cost, displacements, *graph), displacements)
    torch.testing.assert_close(released, recorded["disp_pred"], atol=1e-5, rtol=0)
    exact = expected_displacement(plain(cost.double(), displacements.double(), *graph), displacements)
    ours = expected_displacement(belief_propagation(cost, displacements, *graph), displacements)
    torch.testing.assert_close(ours.double(), exact, atol=1e-5, rtol=0)


def test_belief_propagation_is_exact_on_a_tree() -> None:
    """On a chain of four points the beliefs are the least costs of all assignments with that candidate."""
    cost, displacements, _ = draw(4, 3)
    edges = torch.tensor([[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2]])
    belief = belief_propagation(cost, displacements, edges, torch.tensor([1, 0, 3, 2, 5, 4]))
    least = torch.full((4, 3), torch.inf, dtype=torch.float64)
    for choice in product(range(3), repeat=4):
        chosen = displacements[range(4), choice]
        total = cost[range(4), choice].sum() + 10 * (chosen[1:] - chosen[:-1]).square().sum()
        for point, candidate in enumerate(choice):
            least[point, candidate] = torch.minimum(least[point, candidate], total)
    torch.testing.assert_close(belief - belief.amin(1, True), least - least.amin(1, True))


def test_belief_propagation_of_one_iteration_is_the_cost() -> None:
    cost, displacements, graph = draw()
    torch.testing.assert_close(belief_propagation(cost, displacements, *graph, iterations=1), cost)


@pytest.mark.parametrize("needs_gradient", [False, True])
def test_belief_propagation_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch, needs_gradient: bool) -> None:
    cost, displacements, graph = draw()
    whole = belief_propagation(cost, displacements, *graph)
    monkeypatch.setattr(MODULE, "COSTS", 200)
    torch.testing.assert_close(belief_propagation(cost.requires_grad_(needs_gradient), displacements, *graph), whole)


def test_belief_propagation_has_gradient() -> None:
    cost, displacements, graph = draw(6, 4)
    cost.requires_grad_()
    assert torch.autograd.gradcheck(lambda c: _relative(belief_propagation(c, displacements, *graph)), cost)
    belief = belief_propagation(cost, displacements, *graph)
    expected_displacement(belief, displacements).sum().backward()
    assert cost.grad is not None
    assert cost.grad.isfinite().all()
    assert cost.grad.abs().sum() > 0


def _relative(belief: Tensor) -> Tensor:
    """What a constant of a point does not change; the constant taken from a message has no gradient."""
    return belief - belief.mean(1, keepdim=True)


def test_displacement_graph_is_symmetric_without_loops() -> None:
    points = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
    edges, reverse = displacement_graph(points, 5)
    assert (edges[:, 0] != edges[:, 1]).all()
    torch.testing.assert_close(edges[reverse], edges.flip(1))
    assert len(edges.unique(dim=0)) == len(edges)
    nearest = nearest_points(points, points, 6)[:, 1:]
    joined = {tuple(edge) for edge in edges.tolist()}
    assert all((start, end) in joined for start in range(40) for end in nearest[start].tolist())


def test_displacement_graph_equals_released_code(oracle: Oracle) -> None:
    recorded = oracle("003_pointcloud_lbp")
    edges, reverse = displacement_graph(torch.tensor(recorded["kpts_fixed"][0]), 10)
    order = np.lexsort(recorded["edges"].T[::-1])
    np.testing.assert_array_equal(edges, recorded["edges"][order])
    np.testing.assert_array_equal(edges[reverse], recorded["edges"][recorded["edges_reverse"]][order])


def test_displacement_graph_of_few_points_joins_all() -> None:
    assert displacement_graph(torch.rand(4, 3), 10)[0].shape == (12, 2)


def test_expected_displacement_by_hand() -> None:
    belief = torch.tensor([[0.0, 0.0, 9.0]])
    displacements = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [7.0, 7.0, 7.0]]])
    torch.testing.assert_close(expected_displacement(belief, displacements), torch.tensor([[0.5, 1.0, 0.0]]))


def test_belief_propagation_raises() -> None:
    cost, displacements, graph = draw()
    with pytest.raises(ValueError, match=r"'displacements' of shape \(N, K, d\).* got \(12, 8, 3\) and \(12, 9\)"):
        belief_propagation(cost, displacements[:, 1:], *graph)
    with pytest.raises(ValueError, match="'iterations' of 1 or more, got 0"):
        belief_propagation(cost, displacements, *graph, iterations=0)
