from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.transforms import WindowsToChannels


def test_windows_to_channels_is_the_released_code(oracle: Callable) -> None:
    recorded = oracle("001_normalisation")
    np.testing.assert_allclose(WindowsToChannels()(torch.from_numpy(recorded["ct"])), recorded["ct_windows"], atol=1e-5)


def test_scan_inside_the_window_is_scaled_by_its_own_limits() -> None:
    image = torch.tensor([[10.0, 20.0, 30.0]])
    assert WindowsToChannels([[255, 127.5]])(image).tolist() == [[0.0, 0.5, 1.0]]


def test_channels_are_split_one_after_the_other() -> None:
    pair = torch.tensor([[-200.0, 0.0, 200.0], [0.0, 100.0, 1000.0]])
    split = WindowsToChannels([[400, 40], [800, 100]])
    assert torch.equal(split(pair), torch.cat([split(channel[None]) for channel in pair]))


def test_constant_windows_are_zero() -> None:
    image = torch.tensor([[-1000.0, -900.0]])
    assert WindowsToChannels()(image).tolist() == [[0.0, 0.0]] * 3


def test_what_lies_outside_does_not_count() -> None:
    image = torch.tensor([[10.0, 20.0, 30.0, 200.0]])
    inside = torch.tensor([[True, True, True, False]])
    done = WindowsToChannels([[255, 127.5], [100, 100]])(image, inside=inside)
    assert done[0, :3].tolist() == [0.0, 0.5, 1.0]
    assert done[1].count_nonzero() == 0


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ([], r"'windows' of a width above 0 and a level, got \[\]"),
        ([[400]], r"a width above 0 and a level, got \[\[400\]\]"),
        ([[0, 40]], r"a width above 0 and a level, got \[\[0, 40\]\]"),
    ],
)
def test_wrong_windows_raise(windows: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WindowsToChannels(windows)
