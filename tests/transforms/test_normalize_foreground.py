from collections.abc import Callable

import numpy as np
import torch

from common.transforms import NormalizeForeground


def test_normalize_foreground_is_the_released_code(oracle: Callable) -> None:
    recorded = oracle("001_normalisation")
    np.testing.assert_allclose(
        NormalizeForeground()(torch.from_numpy(recorded["hip"])), recorded["hip_norm"], atol=1e-5
    )


def test_outlier_is_clipped() -> None:
    image = torch.cat([torch.rand(999) + 1, torch.tensor([1e6])])[None]
    assert NormalizeForeground()(image)[0, :-1].max() < 1
    assert NormalizeForeground(1.0)(image)[0, -1] == 1


def test_channels_are_on_their_own_and_constant_ones_are_zero() -> None:
    image = torch.stack([torch.arange(4.0), torch.full((4,), 7.0), torch.zeros(4)])
    expected = torch.tensor([[0, 1 / 3, 2 / 3, 1], [0] * 4, [0] * 4])
    torch.testing.assert_close(NormalizeForeground()(image), expected)


def test_what_lies_outside_does_not_count() -> None:
    image = torch.rand(1, 6, 7) + 1
    padded = torch.nn.functional.pad(image, (1, 2, 3, 0), value=-1024)
    inside = padded > 0
    done = NormalizeForeground(2.0)(padded, inside=inside)
    torch.testing.assert_close(done[inside], NormalizeForeground(2.0)(image).flatten())
