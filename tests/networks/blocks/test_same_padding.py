from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.networks.blocks import HalvingConvolution


def test_halving_is_that_of_tensorflow(oracle: Callable) -> None:
    recorded = oracle("000_tf_same_padding")
    layer = HalvingConvolution(3, 2, 3, bias=False, conv_only=True)
    weight = torch.from_numpy(recorded["w_conv"]).permute(4, 3, 0, 1, 2)
    layer.load_state_dict({"conv.weight": weight})
    answer = layer(torch.from_numpy(recorded["x"]).movedim(-1, 1))
    np.testing.assert_allclose(answer.detach().movedim(1, -1), recorded["conv_stride2"], atol=1e-4)


def test_the_other_convolutions_of_tensorflow_are_those_of_torch(oracle: Callable) -> None:
    """With even padding, as `TweeningEncoder` and `DenseSubnetwork` have them."""
    recorded = oracle("000_tf_same_padding")
    image = torch.from_numpy(recorded["x"]).movedim(-1, 1)
    weights = {name: torch.from_numpy(recorded[name]).permute(4, 3, 0, 1, 2) for name in ("w_conv", "w_convT")}
    kept = torch.nn.functional.conv3d(image, weights["w_conv"], padding=1)
    doubled = torch.nn.functional.conv_transpose3d(image, weights["w_convT"], stride=2, padding=1)
    for answer, name in ((kept, "conv_stride1"), (doubled, "convT_stride2")):
        np.testing.assert_allclose(answer.movedim(1, -1), recorded[name], atol=1e-4)


@pytest.mark.parametrize("dims", [2, 3])
def test_only_behind_the_image_there_are_zeros(dims: int) -> None:
    layer = HalvingConvolution(dims, 1, 1, bias=False, conv_only=True)
    torch.nn.init.ones_(layer.get_parameter("conv.weight"))
    answer = layer(torch.ones(1, 1, *[4, 6, 8][:dims]))
    assert answer.shape[2:] == (2, 3, 4)[:dims]
    assert answer.flatten()[0] == 3**dims
    assert answer.flatten()[-1] == 2**dims
