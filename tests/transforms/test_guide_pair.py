"""What steers a registration, on the working grid: where it comes to lie, and what is refused."""

from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from common.optimization import UNGUIDED
from common.transforms import GuidePaird, guidance_of

SHIFT = torch.tensor([[1.0, 0, 0, 4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # fixed to moving, LPS mm


IDENTITY = torch.eye(4)


def label(*values: int, affine: torch.Tensor = IDENTITY) -> MetaTensor:
    """Slabs of two voxels along the first axis, 0 around them."""
    row = torch.tensor([0, 0, *(value for each in values for value in (each, each)), 0, 0], dtype=torch.int32)
    return MetaTensor(
        row.view(1, -1, 1, 1).expand(1, -1, 4, 5).clone(), affine=torch.eye(4) if affine is None else affine
    )


def pair(**entries: Any) -> dict[str, Any]:
    image = MetaTensor(torch.zeros(2, 8, 4, 5), affine=torch.eye(4))
    return {"image": image, "initial_transform": torch.eye(4), **entries}


def test_labels_become_maps_and_small_ones_weigh_more() -> None:
    moving = label(1, 3)
    moving[0, 3] = 0  # so that label 1 has 3 planes in both, and label 3 has 4
    done = GuidePaird(["labels"])(pair(fixed_label=label(1, 3), moving_label=moving))
    fixed = done["fixed_features"]
    assert fixed.shape == done["moving_features"].shape == (2, 8, 4, 5)
    assert (fixed[0] > 0)[:, 0, 0].tolist() == [False, False, True, True, False, False, False, False]
    assert float(fixed[0].max() / fixed[1].max()) == pytest.approx((3 / 4) ** -0.3, rel=1e-5)
    assert float(fixed[0].max() + fixed[1].max()) == pytest.approx(60, rel=1e-5)
    assert done["guided_by"] == "labels"
    heavy = GuidePaird(["labels"], weight=120)(pair(fixed_label=label(1, 3), moving_label=moving))
    torch.testing.assert_close(heavy["fixed_features"], 4 * fixed)


def test_maps_of_the_moving_scan_lie_where_the_start_puts_them() -> None:
    """+4 mm in LPS is -4 voxels here: the moving label lies 4 further along than the fixed one, and is met by it."""
    affine = torch.eye(4)
    affine[0, 3] = -4
    done = GuidePaird(["labels"])(
        pair(fixed_label=label(1, 2), moving_label=label(1, 2, affine=affine), initial_transform=SHIFT)
    )
    torch.testing.assert_close(done["moving_features"], done["fixed_features"])


def test_points_are_counted_in_voxels_of_the_working_grid() -> None:
    fixed = torch.tensor([[-2.0, -1, 3], [torch.nan] * 3, [-3, -2, 1]])
    moving = fixed + torch.tensor([4.0, 0, 0]) + torch.tensor([[0.0, 0, 1], [0, 0, 0], [0, 0, -1]])
    done = GuidePaird(["keypoints"])(pair(fixed_keypoints=fixed, moving_keypoints=moving, initial_transform=SHIFT))
    assert done["fixed_points"].tolist() == [[2, 1, 3], [3, 2, 1]]
    assert done["moving_points"].tolist() == [[2, 1, 4], [3, 2, 0]]


def test_organs_of_a_segmenter_come_behind_the_labels() -> None:
    scan = MetaTensor(torch.ones(1, 8, 4, 5), affine=torch.eye(4))
    half = MetaTensor(torch.full((1, 4, 4, 5), 0.5), affine=torch.diag(torch.tensor([2.0, 1, 1, 1])))
    given = pair(fixed_label=label(1), moving_label=label(1), fixed_image=scan, moving_image=scan)
    done = GuidePaird(["labels"], lambda image: half)(given)
    assert done["fixed_features"].shape == (2, 8, 4, 5)
    assert (done["fixed_features"][1, :7] > 0).all()


def test_labels_are_needed_of_both_scans() -> None:
    with pytest.raises(ValueError, match=r"--guide labels needs those of both scans, .* names no moving_label"):
        GuidePaird(["labels"])(pair(fixed_label=label(1)))


def test_points_are_needed_of_both_scans() -> None:
    with pytest.raises(ValueError, match=r"--guide keypoints .* names no fixed_keypoints and no moving_keypoints"):
        GuidePaird(["keypoints"])(pair())


def test_a_label_is_needed_that_both_have() -> None:
    with pytest.raises(ValueError, match=r"one that both scans have, got fixed 1, 2 and moving none"):
        GuidePaird(["labels"])(pair(fixed_label=label(1, 2), moving_label=label(0)))


def test_a_point_is_needed_on_the_fixed_scan() -> None:
    far = torch.tensor([[100.0, 0, 0], [torch.nan] * 3])
    with pytest.raises(ValueError, match=r"points on the fixed scan with partners, got 2 undefined or beside it"):
        GuidePaird(["keypoints"])(pair(fixed_keypoints=far, moving_keypoints=far))


def test_unknown_guides_are_refused() -> None:
    with pytest.raises(ValueError, match=r"--guide is expected to be one or both of labels, keypoints, got masks"):
        GuidePaird(["masks"])


def test_guidance_is_what_was_added_as_a_batch_of_one() -> None:
    assert guidance_of(pair(), "cpu") == UNGUIDED
    labels = guidance_of(GuidePaird(["labels"])(pair(fixed_label=label(1), moving_label=label(1))), "cpu")
    assert labels.fixed_features is not None
    assert labels.fixed_features.shape == (1, 1, 8, 4, 5)
    assert labels.points is None
    points = torch.tensor([[-1.0, -2.0, 3.0], [-2.0, -1.0, 2.0]])
    led = guidance_of(GuidePaird(["keypoints"])(pair(fixed_keypoints=points, moving_keypoints=points)), "cpu")
    assert led.fixed_features is None
    assert led.points is not None
    torch.testing.assert_close(led.points.fixed, torch.tensor([[1.0, 2.0, 3.0], [2.0, 1.0, 2.0]]))
