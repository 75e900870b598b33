from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.losses import Direction, FieldError, RegistrationLoss
from common.optimization import REFERENCE, correlation_volume, coupled_convex, upsample_displacement

KNOWN = torch.zeros(1, 2, 4, 6)
OFF = torch.zeros(1, 2, 4, 6)
OFF[0, :, 1, 2] = torch.tensor([3.0, 4.0])  # 5 voxels at one of 24 points


def value(term: FieldError, batch: dict[str, torch.Tensor]) -> float:
    computed = term(Direction(OFF, batch))
    assert computed is not None
    return computed.item()


def test_value_is_the_mean_over_voxels() -> None:
    assert value(FieldError(), {"known_ddf": KNOWN}) == pytest.approx(25 / 24)
    assert value(FieldError(squared=False), {"known_ddf": KNOWN}) == pytest.approx(5 / 24, abs=1e-5)


def test_mask_and_margin_say_what_counts() -> None:
    mask = torch.zeros(1, 1, 4, 6)
    mask[..., 1, :4] = 1
    batch = {"known_ddf": KNOWN, "fixed_mask": mask}
    assert value(FieldError(mask="fixed_mask"), batch) == pytest.approx(25 / 4)
    assert value(FieldError(margin=1), batch) == pytest.approx(25 / 8)
    assert value(FieldError(mask="fixed_mask", margin=1), batch) == pytest.approx(25 / 3)


def test_gradient_is_finite_where_nothing_is_wrong() -> None:
    ddf = torch.zeros(1, 2, 4, 6, requires_grad=True)
    RegistrationLoss({"error": [1.0, FieldError(squared=False)]})(ddf, {"known_ddf": KNOWN}).backward()
    assert ddf.grad is not None
    assert ddf.grad.isfinite().all()


def test_only_the_direction_of_the_known_field_counts() -> None:
    assert FieldError()(Direction(OFF, {"known_ddf": KNOWN}, "moving", "fixed")) is None
    assert FieldError()(Direction(OFF, {})) is None


def test_wrong_input_raises() -> None:
    with pytest.raises(ValueError, match=r"FieldError\(\) expects 'known_ddf' of shape \(1, 2, 4, 6\), got"):
        FieldError()(Direction(OFF, {"known_ddf": torch.zeros(1, 2, 4, 5)}))
    with pytest.raises(ValueError, match="expects a batch with 'fixed_mask', got none"):
        FieldError(mask="fixed_mask")(Direction(OFF, {"known_ddf": KNOWN}))


def test_loss_of_self_training_equals_released_code(oracle: Callable[[str], dict[str, np.ndarray]]) -> None:
    """With the weight 3 of its config: 1.5 times the distance in voxels of images twice as fine as the field."""
    recorded = {key: torch.tensor(value) for key, value in oracle("003_training_loss").items()}
    fixed, moving = (recorded[f"feat_{side}"].requires_grad_() for side in ("fix", "mov"))
    shape = recorded["target_half"].shape[2:]
    field = coupled_convex(correlation_volume(5 * fixed, 5 * moving, 2), 2, scheme=REFERENCE)
    field = upsample_displacement(field, shape, 4, scheme=REFERENCE)
    # The released code counts from corner to corner, and measures in half sides from edge to edge.
    stretch = torch.tensor([n / (n - 1) for n in shape]).view(-1, 1, 1, 1)
    target = recorded["target_half"].flip(1) * torch.tensor([n / 2 for n in shape]).view(-1, 1, 1, 1)
    loss = RegistrationLoss({"field": [3.0, FieldError("pseudo_label", squared=False, margin=8)]})
    value = loss(field * stretch, {"pseudo_label": target})
    value.backward()
    torch.testing.assert_close(value, recorded["loss"], rtol=1e-4, atol=0)
    for side, features in (("fix", fixed), ("mov", moving)):
        expected = recorded[f"grad_{side}"]
        torch.testing.assert_close(features.grad, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
