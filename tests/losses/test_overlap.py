import pytest
import torch
from monai.losses import DiceLoss
from monai.networks.utils import one_hot

from common.losses import Direction, Overlap

LABELS = torch.randint(0, 3, (2, 2, 1, 5, 6, 7), generator=torch.Generator().manual_seed(0))
DDF = torch.randn(2, 3, 5, 6, 7, generator=torch.Generator().manual_seed(1))


def pair(**maps: torch.Tensor) -> Direction:
    return Direction(DDF, {f"{side}_label": label for side, label in maps.items()})


def test_it_is_the_loss_of_the_channels_without_background() -> None:
    given = pair(fixed=LABELS[0], moving=LABELS[1])
    term = Overlap(DiceLoss(squared_pred=True), labels=[1, 2])
    channels = term.moving(given)
    assert channels is not None
    value = term(given, given.warp(channels))
    assert value is not None
    whole = [one_hot(label, 3).float() for label in (LABELS[1], LABELS[0])]
    expected = DiceLoss(include_background=False, squared_pred=True)(given.warp(whole[0]), whole[1])
    assert torch.equal(value, expected)


def test_labels_are_values() -> None:
    given = pair(fixed=LABELS[0] * 7, moving=LABELS[1] * 7)
    channels = Overlap(DiceLoss(), labels=[14, 7]).moving(given)
    assert channels is not None
    assert torch.equal(channels, torch.cat([LABELS[1] == 2, LABELS[1] == 1], dim=1).float())


def test_without_labels_there_is_no_overlap() -> None:
    term = Overlap(DiceLoss(), labels=[1])
    assert term.moving(pair()) is None
    assert term(pair(), None) is None


def test_labels_of_one_scan_alone_raise() -> None:
    with pytest.raises(ValueError, match="both label maps of a pair or none, got one"):
        Overlap(DiceLoss(), labels=[1, 2]).moving(pair(fixed=LABELS[0]))


def test_other_labels_raise() -> None:
    with pytest.raises(ValueError, match=r"'moving_label' of the values 0 and labels=\[1\], got 2"):
        Overlap(DiceLoss(), labels=[1]).moving(pair(fixed=LABELS[0], moving=LABELS[1]))
