import pytest
import torch

from common.losses import Direction, FieldError, RegistrationLoss

KNOWN = torch.zeros(1, 2, 4, 6)
OFF = torch.zeros(1, 2, 4, 6)
OFF[0, :, 1, 2] = torch.tensor([3.0, 4.0])  # 5 voxels at one of 24 points


def test_value_is_the_mean_over_voxels() -> None:
    assert FieldError()(Direction(OFF, {"known_ddf": KNOWN})).item() == pytest.approx(25 / 24)
    assert FieldError(squared=False)(Direction(OFF, {"known_ddf": KNOWN})).item() == pytest.approx(5 / 24, abs=1e-5)


def test_mask_and_margin_say_what_counts() -> None:
    mask = torch.zeros(1, 1, 4, 6)
    mask[..., 1, :4] = 1
    batch = {"known_ddf": KNOWN, "fixed_mask": mask}
    assert FieldError(mask="fixed_mask")(Direction(OFF, batch)).item() == pytest.approx(25 / 4)
    assert FieldError(margin=1)(Direction(OFF, batch)).item() == pytest.approx(25 / 8)
    assert FieldError(mask="fixed_mask", margin=1)(Direction(OFF, batch)).item() == pytest.approx(25 / 3)


def test_gradient_is_finite_where_nothing_is_wrong() -> None:
    ddf = torch.zeros(1, 2, 4, 6, requires_grad=True)
    RegistrationLoss({"error": [1.0, FieldError(squared=False)]})(ddf, {"known_ddf": KNOWN}).backward()
    assert ddf.grad.isfinite().all()


def test_only_the_direction_of_the_known_field_counts() -> None:
    assert FieldError()(Direction(OFF, {"known_ddf": KNOWN}, "moving", "fixed")) is None
    assert FieldError()(Direction(OFF, {})) is None


def test_wrong_input_raises() -> None:
    with pytest.raises(ValueError, match=r"FieldError\(\) expects 'known_ddf' of shape \(1, 2, 4, 6\), got"):
        FieldError()(Direction(OFF, {"known_ddf": torch.zeros(1, 2, 4, 5)}))
    with pytest.raises(ValueError, match="expects a batch with 'fixed_mask', got none"):
        FieldError(mask="fixed_mask")(Direction(OFF, {"known_ddf": KNOWN}))
