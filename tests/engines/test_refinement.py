from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from monai.transforms import Transform

from common.engines import SliceBySliceInferer, instance_optimization, registration_postprocessing
from common.engines._configuration import configuration_digest
from common.spatial import warp
from common.transforms import CaseGrid, NormalizePercentiles

SEGMENTER = Path(__file__).parents[2] / "bundles" / "hippocampus_mr_symmetric" / "models" / "segmenter"


def test_no_iterations_are_nothing_to_do() -> None:
    assert instance_optimization() == []


@pytest.mark.parametrize("steering", [{"guide": "labels"}, {"guide": ["keypoints"]}, {"segmenter": SEGMENTER}])
def test_nothing_is_steered_without_an_optimization(steering: dict) -> None:
    with pytest.raises(ValueError, match=r"guides its optimization: set --instance_iterations"):
        instance_optimization(0, **steering)


def scans() -> dict[str, Any]:
    """Two scans 1.5 mm apart along their first axis, and a network's answer that says half of it.

    In LPS the other half is -0.75 mm.
    """
    fine = F.interpolate(
        torch.rand(1, 1, 14, 14, 14, generator=torch.Generator().manual_seed(0)), size=(42, 40, 38), mode="trilinear"
    )
    moved = warp(fine, torch.tensor([1.5, 0, 0]).view(1, 3, 1, 1, 1).expand(1, 3, 42, 40, 38))
    coarse = torch.diag(torch.tensor([2.0, 2, 2, 1]))
    return {
        "fixed_image": MetaTensor(moved[0, :, 2:-4].clone(), affine=torch.eye(4)),
        "moving_image": MetaTensor(fine[0, :, 2:-4].clone(), affine=torch.eye(4)),
        "initial_transform": torch.eye(4),
        "image": MetaTensor(torch.zeros(2, 18, 20, 19), affine=coarse),
        "pred": torch.tensor([0.375, 0, 0]).view(3, 1, 1, 1).expand(3, 18, 20, 19),
    }


def run(steps: list[Transform], data: dict[str, Any]) -> dict[str, Any]:
    for step in steps:
        data = step(data)
    return data


def test_a_field_is_made_better_on_the_scans_own_grid() -> None:
    done = run(instance_optimization(20), scans())
    assert done["refinement"].shape == (3, 36, 40, 38)
    assert float(done["refinement"][0, 8:-8, 8:-8, 8:-8].mean()) == pytest.approx(-0.75, abs=0.1)


def test_its_grid_may_be_another() -> None:
    done = run(instance_optimization(40, spacing=2.0), scans())
    assert done["refinement"].shape == (3, 18, 20, 19)
    assert float(done["refinement"][0, 4:-4, 4:-4, 4:-4].mean()) == pytest.approx(-0.75, abs=0.2)


def test_slices_stay_in_their_planes() -> None:
    grid = CaseGrid(orientation="fixed", normalization=NormalizePercentiles(per="slice"))
    done = run(instance_optimization(10, case_grid=grid, inferer=SliceBySliceInferer()), scans())
    assert not done["refinement"][2].any()
    assert float(done["refinement"][0, 8:-8, 8:-8].mean()) == pytest.approx(-0.75, abs=0.2)


def test_labels_steer_it() -> None:
    data = scans()
    for side, begin in (("fixed", 10), ("moving", 14)):
        label = torch.zeros(1, 36, 40, 38, dtype=torch.int32)
        label[:, begin : begin + 10, 10:30, 10:30] = 1
        data |= {f"{side}_label": MetaTensor(label, affine=torch.eye(4))}
        data[f"{side}_image"] = MetaTensor(torch.ones(1, 36, 40, 38), affine=torch.eye(4))
    done = run(instance_optimization(40, guide="labels"), data)
    assert done["guided_by"] == "labels"
    assert float(done["refinement"][0, 10:20, 15:25, 15:25].mean()) < -1.5  # of 4 mm, 0.75 are there


def test_it_counts_for_what_is_done_again(tmp_path: Path) -> None:
    steps = [(0, 250.0), (0, 250.0), (4, 250.0), (6, 250.0), (4, 500.0)]
    posts = [
        registration_postprocessing(tmp_path / str(place), instance_optimization(n, regularization=weight))
        for place, (n, weight) in enumerate(steps)
    ]
    plain, elsewhere, *others = map(configuration_digest, posts)
    assert plain == elsewhere
    assert len({plain, *others}) == 4


def test_its_field_is_the_smoother_the_more_it_is_regularized() -> None:
    rough, smooth = (
        run(instance_optimization(10, regularization=weight), scans())["refinement"].diff(n=2, dim=1).square().mean()
        for weight in (1.0, 2500.0)
    )
    assert smooth < 0.5 * rough
