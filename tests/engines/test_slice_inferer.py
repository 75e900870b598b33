"""Slices of a stack are registered as if each were alone."""

import pytest
import torch
from torch import Tensor

from common.engines import SliceBySliceInferer


class Recorder(torch.nn.Module):
    """A stand-in for a network that tells what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, ...]] = []

    def forward(self, image: Tensor, scale: float = 1.0) -> Tensor:
        self.asked.append(tuple(image.shape))
        return scale * (image + image.mean(dim=(1, 2, 3), keepdim=True))


def test_slices_go_to_the_network_as_they_are() -> None:
    image, network = torch.rand(3, 2, 5, 6), Recorder()
    assert torch.equal(SliceBySliceInferer()(image, network), Recorder()(image))
    assert network.asked == [(3, 2, 5, 6)]


@pytest.mark.parametrize(("at_once", "chunks"), [(1, 14), (4, 4), (16, 1)])
def test_stacks_are_registered_slice_by_slice(at_once: int, chunks: int) -> None:
    image, network = torch.rand(2, 2, 5, 6, 7), Recorder()
    ddf = SliceBySliceInferer(at_once)(image, network)
    assert ddf.shape == (2, 3, 5, 6, 7)
    assert len(network.asked) == chunks
    assert ddf[:, 2].count_nonzero() == 0
    for k in range(7):
        torch.testing.assert_close(ddf[:, :2, ..., k], Recorder()(image[..., k]))


def test_arguments_are_given_on() -> None:
    image = torch.rand(1, 2, 5, 6, 2)
    doubled = SliceBySliceInferer()(image, Recorder(), scale=2.0)
    torch.testing.assert_close(doubled, 2 * SliceBySliceInferer()(image, Recorder()))


def test_other_input_is_told() -> None:
    with pytest.raises(ValueError, match=r"expects 'inputs' of 4 or 5 axes, got the shape \(2, 5, 6\)"):
        SliceBySliceInferer()(torch.rand(2, 5, 6), Recorder())
    with pytest.raises(ValueError, match="expects 'slices_at_once' of 1 or more, got 0"):
        SliceBySliceInferer(0)
