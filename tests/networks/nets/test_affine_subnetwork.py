from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.networks.nets import AffineSubnetwork


def test_size_is_that_of_the_paper() -> None:
    assert sum(p.numel() for p in AffineSubnetwork((128, 128, 128)).parameters()) == 14_166_288


@pytest.mark.parametrize(("name", "shape", "key"), [("000_affine_losses", (8, 8, 8), "flow_8"),
                                                    ("000_vtn_ops", (14, 16, 18), "affine_flow")])  # fmt: skip
def test_field_is_that_of_the_released_code(oracle: Callable, name: str, shape: tuple, key: str) -> None:
    """Its last layers answer with the recorded W and b."""
    recorded = oracle(name)
    network = AffineSubnetwork((8, 8, 8), base_channels=1, levels=2)
    fields, matrices = [], []
    for linear, shift in zip(recorded["W"], recorded["b"], strict=True):
        network.linear = Constant(linear)
        network.shift = Constant(shift)
        network.add_module("encoder", torch.nn.Identity())
        matrix, field = network(torch.zeros(1, 2, *shape))
        fields.append(field[0].movedim(0, -1))
        matrices.append(matrix[0])
    np.testing.assert_allclose(torch.stack(fields), recorded[key], atol=1e-4)
    np.testing.assert_allclose(torch.stack(matrices), recorded["W"] + np.eye(3), atol=1e-6)


def test_2d_image_of_unequal_sides() -> None:
    matrix, field = AffineSubnetwork((8, 16), base_channels=2, levels=3)(torch.rand(3, 2, 8, 16))
    assert matrix.shape == (3, 2, 2)
    assert field.shape == (3, 2, 8, 16)


class Constant(torch.nn.Module):
    def __init__(self, values: np.ndarray) -> None:
        super().__init__()
        self.values = torch.from_numpy(values).flatten()[None]

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.values
