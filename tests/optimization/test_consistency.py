"""Forward-backward consistency."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from common.optimization import EXACT, REFERENCE, Scheme, enforce_consistency
from common.spatial import compose

Oracle = Callable[[str], dict[str, np.ndarray]]


@pytest.mark.parametrize("iterations", [15, 20])
def test_enforce_consistency_equals_released_code(
    oracle: Oracle, to_voxels: Callable[..., Tensor], iterations: int
) -> None:
    recorded = oracle("003_inverse_consistency")
    fields = enforce_consistency(to_voxels(recorded["f1"]), to_voxels(recorded["f2"]), iterations, scheme=REFERENCE)
    for field, key in zip(fields, ("f1", "f2"), strict=True):
        np.testing.assert_allclose(field.numpy(), to_voxels(recorded[f"{key}_it{iterations}"]).numpy(), atol=5e-5)


def test_enforce_consistency_equals_released_code_after_matching(
    oracle: Oracle, to_voxels: Callable[..., Tensor]
) -> None:
    recorded = oracle("003_coupled_convex")
    fields = torch.tensor(recorded["disp_soft"]), torch.tensor(recorded["disp_soft_backward"])
    forward, backward = enforce_consistency(*fields, scheme=REFERENCE)
    np.testing.assert_allclose(forward.numpy(), to_voxels(recorded["ice_forward_norm"]).numpy(), atol=2e-5)
    np.testing.assert_allclose(backward.numpy(), to_voxels(recorded["ice_backward_norm"]).numpy(), atol=2e-5)


@pytest.mark.parametrize("scheme", [EXACT, REFERENCE])
@pytest.mark.parametrize("shape", [(5, 6, 7), (6, 5)])
def test_enforce_consistency_keeps_zero(shape: tuple[int, ...], scheme: Scheme) -> None:
    zero = torch.zeros(2, len(shape), *shape)
    for field in enforce_consistency(zero, zero, scheme=scheme):
        assert torch.equal(field, zero)


def test_enforce_consistency_of_one_step_by_hand() -> None:
    """Shifts by 2 and -1 voxels: each becomes the mean of itself and the other's opposite."""
    forward = torch.zeros(1, 2, 4, 5)
    forward[:, 0] = 2
    forward, backward = enforce_consistency(forward, forward * -0.5, iterations=1)
    assert forward[:, 0].unique().tolist() == [1.5]
    assert backward[:, 0].unique().tolist() == [-1.5]
    assert not forward[:, 1].any()


def test_enforce_consistency_makes_fields_inverse() -> None:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(2, 3, 3, 3, 3, generator=generator)
    fields = torch.nn.functional.interpolate(coarse, size=(12, 13, 14), mode="trilinear", align_corners=True)
    before = compose(*fields.split(1)).abs().mean()
    after = compose(*enforce_consistency(*fields.split(1))).abs().mean()
    assert after < 0.05 * before


def test_enforce_consistency_of_no_iterations_is_identity() -> None:
    field = torch.rand(1, 2, 4, 5)
    assert torch.equal(enforce_consistency(field, -field, iterations=0)[0], field)


def test_enforce_consistency_raises() -> None:
    field = torch.zeros(1, 3, 5, 6, 7)
    with pytest.raises(ValueError, match=r"expects 'backward' of shape \(1, 3, 5, 6, 7\), got \(1, 3, 5, 6, 8\)"):
        enforce_consistency(field, torch.zeros(1, 3, 5, 6, 8))
    with pytest.raises(ValueError, match=r"enforce_consistency\(\) expects 'iterations' of 0 or more, got -1"):
        enforce_consistency(field, field, iterations=-1)
