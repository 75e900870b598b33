import functools
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import Mock

import pytest
import torch
from monai.handlers import ParamSchedulerHandler
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import MSELoss

from common.handlers import linear
from common.losses import Overlap, RegistrationLoss, Regularization, Similarity
from common.spatial import warp


class Predicted(NamedTuple):
    ddf: Tensor
    levels: tuple[Tensor, ...] = ()
    reverse: Any = None


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


def roughness(ddf: Tensor) -> Tensor:
    return ddf.diff(dim=2).square().mean()


def make_loss() -> RegistrationLoss:
    overlap = Overlap(DiceLoss(), labels=[1, 2])
    return RegistrationLoss(
        {
            "similarity": [1.0, Similarity(MSELoss())],
            "overlap": [1.0, overlap],
            "regularization": [1, Regularization(roughness)],
        }
    )


def test_loss_is_the_weighted_sum_of_its_terms(batch: dict, ddf: Tensor) -> None:
    loss = make_loss()
    loss.set_weight("overlap", 3.0)
    whole = loss(ddf, batch)
    terms = loss.terms
    assert list(terms) == ["similarity", "overlap", "regularization", "loss"]
    warped = warp(batch["moving_image"], ddf, padding="zeros")
    assert terms["similarity"] == pytest.approx((warped - batch["fixed_image"]).square().mean().item())
    assert terms["regularization"] == pytest.approx(roughness(ddf).item())
    assert terms["loss"] == pytest.approx(whole.item())
    assert whole.item() == pytest.approx(terms["similarity"] + 3 * terms["overlap"] + terms["regularization"])


def test_directions_are_averaged_with_the_scans_exchanged(batch: dict, ddf: Tensor) -> None:
    loss = make_loss()
    exchanged = {
        f"{a}_{kind}": batch[f"{b}_{kind}"]
        for a, b in (("fixed", "moving"), ("moving", "fixed"))
        for kind in ("image", "label")
    }
    both = loss(Predicted(ddf, reverse=Predicted(-ddf)), batch)
    torch.testing.assert_close(both, (loss(ddf, batch) + loss(-ddf, exchanged)) / 2)


def test_term_of_one_direction_is_not_halved(batch: dict, ddf: Tensor) -> None:
    class OneWay(Regularization):
        def __call__(self, pair: Any, warped: Tensor | None = None) -> Any:
            return None if pair.fixed == "moving" else super().__call__(pair)

    loss = RegistrationLoss({"one_way": [1.0, OneWay(roughness)], "both": [1.0, Regularization(roughness)]})
    loss(Predicted(ddf, reverse=Predicted(3 * ddf)), batch)
    assert loss.terms["one_way"] == pytest.approx(roughness(ddf).item())
    assert loss.terms["both"] == pytest.approx(5 * roughness(ddf).item())


def test_levels_count_for_the_similarity_alone(batch: dict, ddf: Tensor) -> None:
    loss = make_loss()
    loss(Predicted(ddf, levels=(2 * ddf,)), batch)
    terms = loss.terms
    loss(ddf, batch)
    first = loss.terms
    loss(2 * ddf, batch)
    assert terms["similarity"] == pytest.approx((first["similarity"] + loss.terms["similarity"]) / 2)
    assert terms["overlap"] == pytest.approx(first["overlap"])


def test_images_and_labels_are_warped_in_one_go(batch: dict, ddf: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    warps = Mock(side_effect=warp)
    monkeypatch.setattr("common.losses.direction.warp", warps)
    make_loss()(ddf, batch)
    assert [call.args[0].shape[1] for call in warps.call_args_list] == [1 + 2]


def test_term_of_weight_zero_is_left_out(batch: dict, ddf: Tensor) -> None:
    loss = make_loss()
    loss.set_weight("similarity", 2.0)
    loss.set_weight("overlap", 0)
    loss.set_weight("regularization", 0)
    assert loss(ddf, batch).item() == pytest.approx(2 * loss.terms["similarity"])
    assert set(loss.terms) == {"similarity", "loss"}


def test_weights_follow_the_schedules_of_monai() -> None:
    loss = make_loss()
    schedule = functools.partial(linear, start=1.0, end=0.0, over=4)
    handler = ParamSchedulerHandler(functools.partial(loss.set_weight, "regularization"), schedule, {})
    handler._vc_kwargs["current_step"] = 3
    handler._parameter_setter(handler._value_calculator(**handler._vc_kwargs))
    assert loss.weights == {"similarity": 1.0, "overlap": 1.0, "regularization": 0.25}


def test_weight_of_no_term_raises() -> None:
    with pytest.raises(ValueError, match="has no term smoothness, but similarity, overlap, regularization"):
        make_loss().set_weight("smoothness", 1.0)


def test_batch_without_anything_to_read_raises(batch: dict, ddf: Tensor) -> None:
    loss = RegistrationLoss({"overlap": [1.0, Overlap(DiceLoss(), labels=[1])]})
    with pytest.raises(ValueError, match="expects a batch for one of its terms, got fixed_image, moving_image"):
        loss(ddf, {key: value for key, value in batch.items() if "image" in key})


def test_gradients_reach_the_field(batch: dict, ddf: Tensor) -> None:
    make_loss()(ddf, batch).backward()
    assert ddf.grad is not None
    assert ddf.grad.abs().sum() > 0


def test_dice_is_the_released_code(oracle: Callable) -> None:
    recorded = oracle("001_losses")
    dice = DiceLoss(include_background=False, squared_pred=True, batch=True, smooth_nr=1.0, smooth_dr=1.0)
    tensors = (torch.from_numpy(recorded[name]).float() for name in ("dice_in", "dice_tgt"))
    assert dice(*tensors).item() == pytest.approx(float(recorded["dice_loss"]), abs=1e-5)
