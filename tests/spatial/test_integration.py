from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.spatial import identity_grid, integrate_gradients, warp
from common.spatial.grid import to_normalized


def test_half_is_the_identity(shape: tuple[int, ...]) -> None:
    assert integrate_gradients(torch.full((2, len(shape), *shape), 0.5)).abs().max() < 1e-5


def test_each_channel_grows_along_its_axis() -> None:
    gradients = torch.full((1, 3, 5, 6, 7), 0.5)
    gradients[:, 1, :, 3] = 1.0  # one step of two voxels
    ddf = integrate_gradients(gradients)
    assert (ddf[:, [0, 2]] == 0).all()
    assert (ddf[:, 1, :, :3] == 0).all()
    assert (ddf[:, 1, :, 3:] == 1).all()


def test_integrate_gradients_is_the_released_code(oracle: Callable) -> None:
    recorded = oracle("001_integration")
    gradients, image = (torch.from_numpy(recorded[name]) for name in ("grad_sigmoid", "img"))
    ddf = integrate_gradients(gradients)
    places = to_normalized(ddf + identity_grid(ddf.shape[2:]), ddf.shape[2:]).movedim(-1, 1)
    np.testing.assert_allclose(places, recorded["integrated_grid"], atol=1e-5)
    np.testing.assert_allclose(warp(image, ddf, padding="zeros"), recorded["warped_align_corners_true"], atol=1e-5)
    released = integrate_gradients(gradients, align_corners=False)
    np.testing.assert_allclose(warp(image, released, padding="zeros"), recorded["warped_default"], atol=1e-5)
    exported = recorded["disp_vox_scipy"].transpose(0, 1, 4, 3, 2)[:, ::-1]  # it swaps the outer axes and the channels
    np.testing.assert_allclose(ddf, exported, atol=1e-5)


def test_identity_of_the_released_convention_is_stretched() -> None:
    ddf = integrate_gradients(torch.full((1, 2, 5, 9), 0.5), align_corners=False)
    torch.testing.assert_close(ddf[0, 0, [0, 2, 4], 0], torch.tensor([-0.5, 0.0, 0.5]))


def test_integrate_gradients_gradient(shape: tuple[int, ...]) -> None:
    gradients = torch.rand(1, len(shape), *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(integrate_gradients, gradients, fast_mode=True)


def test_half_precision_is_summed_in_float32() -> None:
    assert integrate_gradients(torch.full((1, 2, 4, 4), 0.5, dtype=torch.bfloat16)).dtype == torch.float32


def test_wrong_gradients_raise() -> None:
    with pytest.raises(ValueError, match=r"integrate_gradients\(\) expects 'gradients' of shape"):
        integrate_gradients(torch.zeros(1, 2, 4, 4, 4))
