from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import Dataset
from monai.inferers import SimpleInferer
from monai.transforms import Compose
from torch import nn

from common.engines import registration_evaluator
from common.engines.evaluation import prepare_guided_batch

POSTPROCESSING = Compose([])


def build(network: nn.Module, **weights: Any) -> Any:
    images = Dataset([{"image": torch.ones(2, 4, 4, 4)}])
    return registration_evaluator(network, images, SimpleInferer(), POSTPROCESSING, "cpu", **weights)


def network() -> nn.Conv3d:
    return nn.Conv3d(2, 3, 1)


def test_registration_evaluator_asks_the_network_with_the_weights_of_the_file(tmp_path: Path) -> None:
    trained, fresh = network(), network()
    torch.save({"a": network().state_dict(), "b": trained.state_dict()}, tmp_path / "model.pt")
    evaluator = build(fresh, checkpoint=tmp_path / "model.pt", checkpoint_key="b")
    evaluator.run()
    torch.testing.assert_close(evaluator.state.output[0]["pred"], trained(torch.ones(1, 2, 4, 4, 4))[0])
    assert evaluator.postprocessing is POSTPROCESSING


def test_registration_evaluator_of_a_network_without_weights() -> None:
    untouched = network()
    before = untouched.weight.clone()
    build(untouched)
    assert torch.equal(untouched.weight, before)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (nn.Conv3d(2, 3, 3).state_dict(), "do not fit the network: 1 of 2 are missing, unknown or of another shape"),
        ({"bias": torch.zeros(3)}, "do not fit the network: 1 of 2 are missing, unknown or of another shape, weight"),
        ({**network().state_dict(), "more": torch.zeros(1)}, "do not fit the network: 1 of 3 .* more among them"),
    ],
)
def test_registration_evaluator_refuses_weights_that_do_not_fit(state: dict, message: str, tmp_path: Path) -> None:
    """MONAI's loader passes over what has another shape or name."""
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=message):
        build(network(), checkpoint=tmp_path / "model.pt")


def test_what_steers_a_pair_reaches_the_inferer() -> None:
    image, maps, points = torch.zeros(1, 2, 4, 4, 4), torch.ones(1, 3, 4, 4, 4), torch.ones(1, 5, 3)
    assert prepare_guided_batch({"image": image}) == (image, None)
    given = {"fixed_features": maps, "moving_features": 2 * maps, "fixed_points": points, "moving_points": 2 * points}
    prepared, target, args, kwargs = prepare_guided_batch({"image": image, **given})
    assert prepared is image
    assert (target, args) == (None, ())
    guidance = kwargs["guidance"]
    assert torch.equal(guidance.moving_features, 2 * maps)
    assert torch.equal(guidance.points.moving, torch.full((5, 3), 2.0))
    assert (
        prepare_guided_batch({"image": image, "fixed_points": points, "moving_points": points})[3][
            "guidance"
        ].fixed_features
        is None
    )
