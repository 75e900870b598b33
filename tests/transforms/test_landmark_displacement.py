"""Landmarks say where all points of a cloud go."""

from typing import Any

import pytest
import torch
from scipy.interpolate import RBFInterpolator

from common.io import InputError
from common.transforms import LandmarkDisplacementd, PairCloudsd

SCALE_MM = (60.0, 40.0, 50.0)


def draw() -> dict[Any, Any]:
    torch.manual_seed(0)
    fixed, cloud = (torch.rand(count, 3, dtype=torch.float64) * 100 for count in (30, 50))
    moving = fixed + 5 * torch.randn(30, 3, dtype=torch.float64) + 20
    pair = {"fixed_cloud": cloud, "moving_cloud": cloud + 20, "fixed_keypoints": fixed, "moving_keypoints": moving}
    return PairCloudsd(SCALE_MM, "centers")(pair)


def test_displacement_is_the_spline_through_the_landmarks_in_the_frame_of_the_network() -> None:
    pair = draw()
    label = LandmarkDisplacementd(SCALE_MM, smoothing=0.01)(pair)["pseudo_label"]
    scale = torch.tensor(SCALE_MM, dtype=torch.float64)
    fixed, moving, cloud = (pair[key] / scale for key in ("fixed_keypoints", "moving_keypoints", "fixed_cloud"))
    spline = RBFInterpolator(fixed, moving - fixed, smoothing=0.01, kernel="thin_plate_spline", degree=1)
    expected = torch.tensor(spline(cloud)) - 20 / scale  # the clouds lie on one another already
    torch.testing.assert_close(label, expected.float(), atol=1e-4, rtol=0)


def test_undefined_landmarks_do_not_count() -> None:
    pair = draw()
    expected = LandmarkDisplacementd(SCALE_MM)({**pair, **{key: pair[key][1:] for key in pair if "keypoints" in key}})
    pair["moving_keypoints"][0] = torch.nan
    found = LandmarkDisplacementd(SCALE_MM)(pair)
    torch.testing.assert_close(found["pseudo_label"], expected["pseudo_label"])


def test_pairs_without_landmarks_are_refused() -> None:
    pair = draw()
    with pytest.raises(InputError, match="needs fixed_keypoints and moving_keypoints of every pair"):
        LandmarkDisplacementd(SCALE_MM)({key: pair[key] for key in pair if key != "moving_keypoints"})
    few = {**pair, **{key: pair[key][:3] for key in pair if "keypoints" in key}}
    with pytest.raises(InputError, match="needs five or more of a pair, which lie in no plane"):
        LandmarkDisplacementd(SCALE_MM)(few)
