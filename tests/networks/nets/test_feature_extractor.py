"""Choosing features: given, random, trained."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from common.features import MINDSSC
from common.networks.nets import CoupledConvexNet, SelfTrainingFeatureNet, select_features
from common.networks.nets.feature_extractor import describe

WIDTHS = (2, 3, 4, 4, 4)


def test_select_features_mind() -> None:
    assert isinstance(select_features("mind", SelfTrainingFeatureNet(WIDTHS), "absent.pt"), MINDSSC)


def test_select_features_random_is_the_network_for_evaluation() -> None:
    network = SelfTrainingFeatureNet(WIDTHS).train()
    assert select_features("random", network, "absent.pt") is network
    assert not network.training


@pytest.mark.parametrize("kind", ["alone", "named", "trained"])
def test_select_features_trained_loads_the_weights(tmp_path: Path, kind: str) -> None:
    source = SelfTrainingFeatureNet(WIDTHS)
    weights = (CoupledConvexNet(source) if kind == "trained" else source).state_dict()
    torch.save({"model": weights} if kind == "named" else weights, tmp_path / "model.pt")
    loaded = select_features("trained", SelfTrainingFeatureNet(WIDTHS), tmp_path / "model.pt")
    image = torch.rand(1, 1, 16, 16, 24)
    torch.testing.assert_close(loaded(image), source.eval()(image))


def test_describe_puts_what_guides_behind_the_features_and_knows_the_field_of_view() -> None:
    image = torch.rand(1, 3, 9, 10, 12)
    image[:, 1] = 1
    image[:, 1, 6:] = 0
    described = describe(MINDSSC(), image, 2, scale=5.0)
    assert described.features.shape == (1, 13, 5, 5, 6)  # filled up to 10 x 10 x 12
    filled = torch.cat([image, image[:, :, -1:]], dim=2)
    torch.testing.assert_close(described.features[:, :12], 5 * MINDSSC()(filled[:, :1], 2))
    torch.testing.assert_close(described.features[:, 12:], F.avg_pool3d(filled[:, 2:], 2))
    assert described.seen[0, 0, :, 0, 0].tolist() == [1, 1, 1, 0, 0]
    assert describe(MINDSSC(), image, 2, unbounded=True).seen.all()


def test_select_features_raises(tmp_path: Path) -> None:
    network = SelfTrainingFeatureNet(WIDTHS)
    with pytest.raises(
        ValueError, match="--features is expected to be one of mind, random, segmentation, trained, got sift"
    ):
        select_features("sift", network, "absent.pt")
    with pytest.raises(FileNotFoundError, match=r"There are no weights at .*absent\.pt"):
        select_features("trained", network, tmp_path / "absent.pt")
    torch.save(SelfTrainingFeatureNet((2, 3, 4, 4, 5)).state_dict(), tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"The weights in .*other\.pt do not fit the network"):
        select_features("trained", network, tmp_path / "other.pt")
