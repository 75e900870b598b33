import pytest
import torch

from common.networks.blocks import Decoder, Encoder


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_levels_halve_and_widen(spatial_dims: int) -> None:
    encoder = Encoder(spatial_dims, 3, 2, (1, 2), "RELU")
    levels = encoder(torch.rand(1, 3, *[8] * spatial_dims))
    assert [level.shape[1:] for level in levels] == [(8 * 2**i, *[8 // 2**i] * spatial_dims) for i in range(3)]
    outputs = Decoder(spatial_dims, 2, (1, 2), "RELU")(levels)
    assert [output.shape for output in outputs] == [level.shape for level in levels[::-1]]


def test_first_stage_has_no_normalization() -> None:
    encoder = Encoder(2, 1, 1, (1,), "RELU")
    assert not [layer for layer in (*encoder.enter, *encoder.refine) if "Norm" in str(layer)]
    assert "InstanceNorm" in str(encoder.stages)


def test_residual_adds_what_the_transposed_convolution_gave() -> None:
    torch.manual_seed(0)
    plain, residual = (Decoder(2, 1, (1,), "RELU", residual=choice) for choice in (False, True))
    residual.load_state_dict(plain.state_dict())
    levels = [torch.rand(1, 4, 4, 4), torch.rand(1, 8, 2, 2)]
    expected = plain(levels)[-1] + plain.doublings[0](levels[-1])
    torch.testing.assert_close(residual(levels)[-1], expected)
