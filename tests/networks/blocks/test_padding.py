import pytest
import torch
import torch.nn.functional as F

from common.networks.blocks import even_padding
from common.networks.blocks.padding import cut, pad_to_multiple


@pytest.mark.parametrize(
    ("shape", "divisor", "expected"),
    [((8, 16), 8, [0, 0, 0, 0]), ((5, 6, 7), 4, [0, 1, 1, 1, 1, 2]), ((1,), 16, [15, 16])],
)
def test_even_padding_by_hand(shape: tuple[int, ...], divisor: int, expected: list[int]) -> None:
    assert even_padding(shape, divisor) == expected


def test_even_padding_pads_to_the_multiple_and_crops_back() -> None:
    image = torch.rand(1, 2, 5, 6, 7)
    pads = even_padding(image.shape[2:], 4)
    padded = F.pad(image, pads)
    assert padded.shape[2:] == (8, 8, 8)
    assert torch.equal(F.pad(padded, [-pad for pad in pads]), image)


def test_a_single_block_gets_a_second_one() -> None:
    assert even_padding((16, 12, 9), 16) == [11, 12, 2, 2, 0, 0]
    assert even_padding((16, 12, 17), 16) == [7, 8, 2, 2, 0, 0]


def test_pad_to_multiple_repeats_the_last_voxels_and_cut_takes_them_away() -> None:
    image = torch.arange(6.0).view(1, 1, 2, 3)
    padded = pad_to_multiple(image, 4)
    assert padded[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert torch.equal(cut(padded, (2, 3)), image)
