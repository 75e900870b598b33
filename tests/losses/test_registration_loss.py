from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import MSELoss

from common.losses import GradientL1, RegistrationLoss
from common.spatial import warp


class Predicted(NamedTuple):
    ddf: Tensor
    levels: tuple[Tensor, ...] = ()
    reverse: "Predicted | None" = None
    gradients: Tensor | None = None


@pytest.fixture
def batch() -> dict[str, Tensor]:
    torch.manual_seed(0)
    images = torch.rand(2, 2, 1, 6, 7, 8)
    labels = torch.randint(0, 3, (2, 2, 1, 6, 7, 8))
    return {"fixed_image": images[0], "moving_image": images[1], "fixed_label": labels[0], "moving_label": labels[1]}


@pytest.fixture
def ddf() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, 3, 6, 7, 8, requires_grad=True)


def mean_square(warped: Tensor, fixed: Tensor) -> Tensor:
    return (warped - fixed).square().mean()


def roughness(ddf: Tensor) -> Tensor:
    return ddf.diff(dim=2).square().mean()


def test_similarity_compares_the_warped_with_the_fixed_image(batch: dict, ddf: Tensor) -> None:
    expected = mean_square(warp(batch["moving_image"], ddf, padding="zeros"), batch["fixed_image"])
    torch.testing.assert_close(RegistrationLoss(MSELoss())(ddf, batch), expected)


def test_directions_are_averaged_with_the_scans_exchanged(batch: dict, ddf: Tensor) -> None:
    loss = RegistrationLoss(MSELoss(), DiceLoss(include_background=False), labels=2)
    exchanged = {
        f"{a}_{kind}": batch[f"{b}_{kind}"]
        for a, b in (("fixed", "moving"), ("moving", "fixed"))
        for kind in ("image", "label")
    }
    both = loss(Predicted(ddf, reverse=Predicted(-ddf)), batch)
    torch.testing.assert_close(both, (loss(ddf, batch) + loss(-ddf, exchanged)) / 2)


def test_levels_count_for_the_similarity_alone(batch: dict, ddf: Tensor) -> None:
    loss = RegistrationLoss(MSELoss(), DiceLoss(include_background=False), labels=2)
    levels = loss(Predicted(ddf, levels=(2 * ddf,)), batch)
    terms = loss.terms
    loss(ddf, batch)
    first = loss.terms
    loss(2 * ddf, batch)
    assert terms["similarity"] == pytest.approx((first["similarity"] + loss.terms["similarity"]) / 2)
    assert terms["overlap"] == pytest.approx(first["overlap"])
    assert levels.item() == pytest.approx(terms["similarity"] + terms["overlap"])


def test_dice_is_the_released_code(oracle: Callable) -> None:
    recorded = oracle("001_losses")
    dice = DiceLoss(include_background=False, squared_pred=True, batch=True, smooth_nr=1.0, smooth_dr=1.0)
    tensors = (torch.from_numpy(recorded[name]).float() for name in ("dice_in", "dice_tgt"))
    assert dice(*tensors).item() == pytest.approx(float(recorded["dice_loss"]), abs=1e-5)


def test_regularization_takes_the_field_or_what_is_named(batch: dict, ddf: Tensor) -> None:
    plain = RegistrationLoss(regularization=roughness)
    torch.testing.assert_close(plain(ddf, batch), roughness(ddf))
    gradients = torch.rand(2, 3, 6, 7, 8)
    named = RegistrationLoss(regularization=GradientL1(), regularized="gradients", regularization_weight=0.1)
    torch.testing.assert_close(named(Predicted(ddf, gradients=gradients), batch), 0.1 * GradientL1()(gradients))


def test_weights_are_attributes_and_zero_leaves_a_term_out(batch: dict, ddf: Tensor) -> None:
    loss = RegistrationLoss(MSELoss(), DiceLoss(include_background=False), roughness, labels=2)
    whole = loss(ddf, batch)
    assert set(loss.terms) == {"similarity", "overlap", "regularization", "loss"}
    assert loss.terms["loss"] == pytest.approx(whole.item())
    loss.similarity_weight, loss.overlap_weight, loss.regularization_weight = 2.0, 0.0, 0.0
    assert loss(ddf, batch).item() == pytest.approx(2 * loss.terms["similarity"])
    assert set(loss.terms) == {"similarity", "loss"}


def test_foreground_is_where_both_images_are_above_zero() -> None:
    fixed, moving = torch.ones(1, 1, 4, 4), torch.full((1, 1, 4, 4), 2.0)
    moving[..., 0] = 0
    seen = []
    loss = RegistrationLoss(lambda w, f: seen.extend([w, f]) or (w - f).sum(), foreground=True)
    loss(torch.zeros(1, 2, 4, 4), {"fixed_image": fixed, "moving_image": moving})
    assert (seen[0][..., 0] == 0).all()
    assert (seen[1][..., 0] == 0).all()
    assert (seen[0][..., 1:] == 2).all()


def test_without_labels_there_is_no_overlap(batch: dict, ddf: Tensor) -> None:
    loss = RegistrationLoss(MSELoss(), DiceLoss(include_background=False), labels=2)
    loss(ddf, {key: value for key, value in batch.items() if "image" in key})
    assert "overlap" not in loss.terms


def test_labels_of_one_scan_alone_raise(batch: dict, ddf: Tensor) -> None:
    del batch["moving_label"]
    with pytest.raises(ValueError, match="both label maps of a pair or none, got one"):
        RegistrationLoss(MSELoss(), DiceLoss(include_background=False), labels=2)(ddf, batch)


def test_gradients_reach_the_field(batch: dict, ddf: Tensor) -> None:
    RegistrationLoss(MSELoss(), DiceLoss(include_background=False), labels=2)(ddf, batch).backward()
    assert ddf.grad.abs().sum() > 0


def test_label_above_their_number_raises(batch: dict, ddf: Tensor) -> None:
    with pytest.raises(ValueError, match=r"'fixed_label' of values up to labels=1, got 2"):
        RegistrationLoss(MSELoss(), DiceLoss(include_background=False), labels=1)(ddf, batch)
