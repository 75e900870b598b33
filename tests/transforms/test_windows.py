from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.transforms import WindowsToChannels, windows_to_channels


def test_windows_to_channels_is_the_released_code(oracle: Callable) -> None:
    recorded = oracle("001_normalisation")
    np.testing.assert_allclose(windows_to_channels(torch.from_numpy(recorded["ct"])), recorded["ct_windows"], atol=1e-5)


def test_scan_inside_the_window_is_scaled_by_its_own_limits() -> None:
    image = torch.tensor([[10.0, 20.0, 30.0]])
    assert windows_to_channels(image, [[255, 127.5]]).tolist() == [[0.0, 0.5, 1.0]]


def test_channels_are_split_one_after_the_other() -> None:
    pair = torch.tensor([[-200.0, 0.0, 200.0], [0.0, 100.0, 1000.0]])
    windows = [[400, 40], [800, 100]]
    assert torch.equal(
        windows_to_channels(pair, windows), torch.cat([windows_to_channels(c[None], windows) for c in pair])
    )


def test_constant_windows_are_zero() -> None:
    image = torch.tensor([[-1000.0, -900.0]])
    assert windows_to_channels(image).tolist() == [[0.0, 0.0]] * 3


def test_what_lies_outside_does_not_count() -> None:
    image = torch.tensor([[10.0, 20.0, 30.0, 200.0]])
    inside = torch.tensor([[True, True, True, False]])
    done = WindowsToChannels([[255, 127.5], [100, 100]])(image, inside=inside)
    assert done[0, :3].tolist() == [0.0, 0.5, 1.0]
    assert done[1].count_nonzero() == 0


@pytest.mark.parametrize(
    ("image", "windows", "message"),
    [
        (torch.rand(1, 4), [], r"'windows' of a width above 0 and a level, got \[\]"),
        (torch.rand(1, 4), [[400]], r"a width above 0 and a level, got \[\[400\]\]"),
        (torch.rand(1, 4), [[0, 40]], r"a width above 0 and a level, got \[\[0, 40\]\]"),
    ],
)
def test_wrong_arguments_raise(image: torch.Tensor, windows: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        windows_to_channels(image, windows)
