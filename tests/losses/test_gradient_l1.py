from collections.abc import Callable

import pytest
import torch

from common.losses import GradientL1


def test_identity_costs_nothing() -> None:
    assert GradientL1()(torch.full((1, 3, 4, 5, 6), 0.5)) == 0


def test_gradient_l1_is_the_released_code(oracle: Callable) -> None:
    recorded = oracle("001_integration")
    assert GradientL1()(torch.from_numpy(recorded["grad_sigmoid"])).item() == pytest.approx(
        float(recorded["reg_l1"]), abs=1e-5
    )
