"""Folding and roughness, as metrics."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from common.metrics import FoldingPercent, SDLogJ, jacobian_summary
from common.spatial import identity_grid

SHAPE = (6, 7, 8)


def stretched(factor: float) -> torch.Tensor:
    """A field that multiplies the first coordinate, `(1, 3, 6, 7, 8)`."""
    field = torch.zeros(1, 3, *SHAPE)
    field[:, 0] = (factor - 1) * identity_grid(SHAPE)[0]
    return field


@pytest.mark.parametrize(("factor", "folded"), [(1.0, 0.0), (0.5, 0.0), (-0.5, 100.0)])
def test_jacobian_summary_of_a_stretch(factor: float, folded: float) -> None:
    found = jacobian_summary(stretched(factor))
    expected = {"folding_percent": folded, "sdlogj": 0.0, "jacobian_min": factor, "jacobian_max": factor}
    assert found == pytest.approx(expected, abs=1e-5)


def test_jacobian_summary_matches_the_released_code(oracle: Callable[[str], dict[str, np.ndarray]]) -> None:
    recorded = oracle("003_metrics")
    found = jacobian_summary(torch.from_numpy(recorded["disp_vox"]))
    assert found["sdlogj"] == pytest.approx(float(recorded["sdlogj"]), abs=1e-4)
    assert found["folding_percent"] == pytest.approx(float(recorded["folding_pct"]), abs=1e-4)
    assert found["jacobian_min"] == pytest.approx(float(recorded["jacdet"].min()), abs=1e-4)


@pytest.mark.parametrize("depth", [2, 9])
def test_jacobian_summary_measures_folding_in_a_mask(depth: int) -> None:
    """The first half folds, the mask is three quarters of it and a quarter of the other; a stack goes on beyond."""
    field = torch.zeros(1, 3, 20, 12, depth)
    field[:, 0] = torch.where(identity_grid((20, 12, depth))[0] < 10, -2 * identity_grid((20, 12, depth))[0], -20.0)
    mask = torch.zeros(1, 1, 20, 12, depth, dtype=torch.bool)
    mask[:, :, 2:8] = True
    mask[:, :, 14:16] = True
    found = jacobian_summary(field, mask)
    assert found["folding_inside_percent"] == pytest.approx(75)
    assert "folding_inside_percent" not in jacobian_summary(field)


def test_jacobian_summary_rejects_a_batch() -> None:
    with pytest.raises(ValueError, match=r"'ddf' of shape \(1, d, \*spatial\), got \(2, 3, 6, 7, 8\)"):
        jacobian_summary(torch.zeros(2, 3, *SHAPE))


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_jacobian_summary_of_few_slices_is_that_of_the_slices(depth: int) -> None:
    plane = torch.rand(1, 2, 20, 24, generator=torch.Generator().manual_seed(0))
    stack = torch.cat([plane, torch.zeros(1, 1, 20, 24)], dim=1)[..., None].expand(-1, -1, -1, -1, depth)
    assert jacobian_summary(stack) == pytest.approx(jacobian_summary(plane), rel=1e-2)


def test_metrics_average_over_cases() -> None:
    batch = torch.cat([stretched(1.0), stretched(-0.5)])
    folding, roughness = FoldingPercent(), SDLogJ()
    scores: Any = folding(batch)
    assert scores.tolist() == [[0.0], [100.0]]
    assert folding.aggregate().item() == 50.0
    roughness(batch)
    assert roughness.aggregate().item() == pytest.approx(0.0, abs=1e-5)


def test_metrics_take_planar_fields() -> None:
    generator = torch.Generator().manual_seed(0)
    field = 3 * torch.rand(1, 2, 20, 24, generator=generator)
    folding: Any = FoldingPercent()(field)
    roughness: Any = SDLogJ()(field)
    assert 0 < folding.item() < 100
    assert roughness.item() > 0.1
