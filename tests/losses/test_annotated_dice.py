from collections.abc import Callable

import pytest
import torch
from monai.losses import DiceLoss

from common.losses import AnnotatedDiceLoss


def random_case(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 4, 5, 6, 7, generator=generator), torch.randint(0, 4, (2, 1, 5, 6, 7), generator=generator)


def test_annotated_dice_is_the_released_code(oracle: Callable) -> None:
    """The recorded maps have 14 classes drawn one by one, and overlap; the released loss looks at the first 12 of them.

    So each organ is compared on its own, as two classes.
    """
    recorded = oracle("001_losses")
    prediction, truth = torch.from_numpy(recorded["dice_in"]), torch.from_numpy(recorded["dice_tgt"])
    annotated = torch.from_numpy(recorded["masked_labels"])
    loss = AnnotatedDiceLoss(softmax=False)
    organs = []
    for k in range(1, 12):
        batch = {"label": truth[:, k : k + 1], "annotated": annotated[:, k : k + 1]}
        organs.append(loss(torch.cat([1 - prediction[:, k : k + 1], prediction[:, k : k + 1]], dim=1), batch))
    assert torch.stack(organs).mean().item() == pytest.approx(float(recorded["masked_dice_loss"]), abs=1e-5)


def test_annotated_dice_of_full_annotation_is_monai() -> None:
    logits, label = random_case()
    expected = DiceLoss(include_background=False, to_onehot_y=True, softmax=True, squared_pred=True, smooth_nr=1.0,
                        smooth_dr=1.0)(logits, label)  # fmt: skip
    torch.testing.assert_close(AnnotatedDiceLoss()(logits, {"label": label}), expected)


def test_organ_that_is_not_annotated_has_no_gradient() -> None:
    logits, label = random_case()
    probability = logits.softmax(dim=1).requires_grad_()
    annotated = torch.tensor([[True, False, True], [True, False, False]])
    AnnotatedDiceLoss(softmax=False)(probability, {"label": label, "annotated": annotated}).backward()
    assert probability.grad is not None
    moved = probability.grad.abs().amax(dim=(2, 3, 4)) > 0
    assert moved.tolist() == [[False, True, False, True], [False, True, False, False]]


def test_number_of_organs_divides_always() -> None:
    logits, label = random_case()
    loss = AnnotatedDiceLoss()
    each = [
        loss(logits, {"label": label, "annotated": torch.eye(3)[k].expand(2, 3)}) for k in range(3)
    ]  # fmt: skip
    torch.testing.assert_close(torch.stack(each).sum(), loss(logits, {"label": label}))
    assert loss(logits, {"label": label, "annotated": torch.zeros(2, 3)}) == 0


def test_annotated_dice_by_hand() -> None:
    """One voxel of two, half sure: 1 - (2 * 0.5 + 1) / (2 * 0.25 + 1 + 1) = 0.2."""
    probability = torch.full((1, 2, 1, 2), 0.5)
    loss = AnnotatedDiceLoss(softmax=False)(probability, {"label": torch.tensor([[[[0, 1]]]])})
    assert loss.item() == pytest.approx(0.2)


def test_gradient() -> None:
    label = random_case()[1][:, :, :2, :2, :2]
    logits = torch.randn(2, 4, 2, 2, 2, requires_grad=True)
    AnnotatedDiceLoss()(logits, {"label": label}).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"label": torch.zeros(2, 1, 5, 6, 8)}, r"'label' of shape \(2, 1, 5, 6, 7\), got \(2, 1, 5, 6, 8\)"),
        ({"annotated": torch.ones(2, 4)}, r"'annotated' of shape \(2, 3\), got \(2, 4\)"),
        ({"label": torch.full((2, 1, 5, 6, 7), 4)}, r"'label' from 0 to 3, got 4 to 4\. Does the network"),
    ],
)
def test_wrong_batch_raises(batch: dict[str, torch.Tensor], message: str) -> None:
    logits, label = random_case()
    with pytest.raises(ValueError, match=message):
        AnnotatedDiceLoss()(logits, {"label": label} | batch)
