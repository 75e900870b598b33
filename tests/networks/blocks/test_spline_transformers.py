from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.networks.blocks import BSplineTransformer, ThinPlateSplineTransformer
from common.spatial import bspline_displacement, thin_plate_spline_displacement, warp


def test_modules_are_their_functions() -> None:
    torch.manual_seed(0)
    points = torch.randn(1, 2, 4, 5)
    arguments = (points, (13, 15), (0.5, -1.0))
    theirs = bspline_displacement(points, (4, 3), (13, 15), 2, (0.5, -1.0))
    assert torch.equal(BSplineTransformer((4, 3), order=2)(*arguments), theirs)
    theirs = thin_plate_spline_displacement(points, (4, 3), (13, 15), (0.5, -1.0))
    assert torch.equal(ThinPlateSplineTransformer((4, 3))(*arguments), theirs)


@pytest.mark.parametrize("order", [2, 3])
def test_warped_images_are_those_of_the_authors_later_code(oracle: Callable, order: int) -> None:
    recorded = oracle("004_bspline_transformer")
    points = torch.from_numpy(recorded["mnist_7x7_f4_params"]).flip(1)
    ddf = BSplineTransformer((4, 4), order)(points, offset=(1, 1))
    warped = warp(torch.from_numpy(recorded["mnist_7x7_f4_moving"]), ddf, padding="border")
    np.testing.assert_allclose(warped, recorded[f"mnist_7x7_f4_warped_order{order}"], atol=1e-5)


def test_settings_are_printed() -> None:
    assert repr(BSplineTransformer((4, 4))) == "BSplineTransformer(spacing=(4, 4), order=3)"
    assert repr(ThinPlateSplineTransformer((8, 8))) == "ThinPlateSplineTransformer(spacing=(8, 8))"
