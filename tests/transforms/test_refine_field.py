from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from torch import Tensor, nn

from common.engines import SliceBySliceInferer
from common.optimization import UNGUIDED, Guidance
from common.transforms import RefineFieldd

COARSE = torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64))
FINE = torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0], dtype=torch.float64))
FINE[:3, 3] = torch.tensor([-1.0, 0.0, 5.0])


class Onto(Transform):
    """The scans on another grid, and what guides there."""

    def __init__(self, image: MetaTensor, **guides: Tensor) -> None:
        self.added = {"image": image, **guides}

    def __call__(self, data: dict) -> dict:
        return {**data, **self.added}


class Half(nn.Module):
    """Answers with half of where it begins, and keeps what it was told."""

    def forward(self, image: Tensor, guidance: Guidance = UNGUIDED, displacement: Tensor | None = None) -> Tensor:
        assert displacement is not None
        self.told = image, guidance, displacement
        return displacement / 2


def pair(components: int = 3) -> dict[str, Any]:
    """A network's field: two, three and one working voxels along the axes, which are 8, 9 and 2 mm."""
    ddf = torch.tensor([2.0, 3.0, 1.0][:components]).view(-1, 1, 1, 1).expand(-1, 6, 6, 6)
    return {"pred": ddf, "image": MetaTensor(torch.zeros(2, 6, 6, 6), affine=COARSE)}


def test_the_field_begins_where_the_network_ended_in_the_voxels_of_the_finer_grid() -> None:
    network, data, fine = Half(), pair(), MetaTensor(torch.rand(4, 8, 7, 9), affine=FINE)
    done = RefineFieldd(network, [Onto(fine)])(data)
    image, guidance, begun = network.told
    torch.testing.assert_close(image[0], fine.as_tensor())
    assert guidance == UNGUIDED
    torch.testing.assert_close(begun, torch.tensor([4.0, 3.0, 2.0]).view(1, 3, 1, 1, 1).expand(1, 3, 8, 7, 9))
    lps = torch.tensor([8.0, 9, -2]).view(3, 1, 1, 1).expand(3, 8, 7, 9)  # minus half of what was there
    torch.testing.assert_close(done["refinement"].as_tensor(), lps / 2)
    torch.testing.assert_close(done["refinement"].affine, FINE)
    assert done["image"] is data["image"]
    assert done["pred"] is data["pred"]


def test_a_field_that_varies_is_taken_from_its_places_in_the_world() -> None:
    network, data = Half(), pair()
    places = 4 * torch.arange(6.0).view(-1, 1, 1)  # mm along the first axis
    data["pred"] = torch.stack([(1 + places).expand(6, 6, 6) / 4, *torch.zeros(2, 6, 6, 6)])
    RefineFieldd(network, [Onto(MetaTensor(torch.zeros(4, 8, 7, 9), affine=FINE))])(data)
    found = 2 * network.told[2][0, 0, 1:, 3, 3]
    torch.testing.assert_close(found, 1 + (2 * torch.arange(1.0, 8) - 1))


def test_what_guides_on_the_finer_grid_is_handed_on() -> None:
    network = Half()
    features, points = torch.rand(2, 8, 7, 9), torch.rand(5, 3)
    added = {"fixed_features": features, "moving_features": 2 * features, "fixed_points": points}
    fine = MetaTensor(torch.zeros(4, 8, 7, 9), affine=FINE)
    RefineFieldd(network, [Onto(fine, **added, moving_points=points + 1)])(pair())
    guidance = network.told[1]
    torch.testing.assert_close(guidance.moving_features, 2 * features[None])
    assert guidance.points is not None
    torch.testing.assert_close(guidance.points.moving, points + 1)


def test_of_a_stack_each_slice_is_refined_in_itself() -> None:
    network, fine = Half(), MetaTensor(torch.zeros(4, 8, 7, 9), affine=FINE)
    done = RefineFieldd(network, [Onto(fine)], inferer=SliceBySliceInferer(4))(pair())
    assert network.told[2].shape == (1, 2, 8, 7)
    torch.testing.assert_close(done["refinement"].as_tensor()[:, 1, 1, 1], torch.tensor([4.0, 4.5, -2.0]))


@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 6)])
def test_no_grid_but_that_of_the_network_is_a_grid_too(shape: tuple[int, ...]) -> None:
    dims = len(shape)
    data = {"pred": torch.rand(dims, *shape), "image": MetaTensor(torch.zeros(2, *shape), affine=COARSE)}
    network = Half()
    done = RefineFieldd(network, [])(data)
    torch.testing.assert_close(network.told[2][0], data["pred"])
    assert done["refinement"].shape == (dims, *shape)
