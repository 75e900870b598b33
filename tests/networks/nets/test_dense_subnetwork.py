from collections.abc import Callable

import numpy as np
import torch

from common.networks.nets import DenseSubnetwork

STAGES = (("1",), ("2",), ("3", "3_1"), ("4", "4_1"), ("5", "5_1"), ("6", "6_1"))


def test_size_is_that_of_the_paper() -> None:
    assert sum(p.numel() for p in DenseSubnetwork().parameters()) == 28_252_203


def test_recorded_weights_give_the_recorded_field(oracle: Callable) -> None:
    recorded = oracle("000_vtn_forward_c1_s64")
    network = DenseSubnetwork(base_channels=1).eval()
    network.load_state_dict(renamed(recorded))
    image = torch.from_numpy(np.stack([recorded["img1_u8"], recorded["img2_u8"]])[None]).float() / 255
    with torch.no_grad():
        flow = network(image)[0].movedim(0, -1)
    np.testing.assert_allclose(flow[::2, ::2, ::2], recorded["flow_sub2"], atol=1e-4)
    np.testing.assert_allclose([flow.mean(), flow.std(correction=0)], [recorded["flow_mean"], recorded["flow_std"]],
                               rtol=1e-4)  # fmt: skip


def renamed(recorded: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The released code's weights by our names; kernels there end with the channels, of input and output."""
    names = {}
    for level, stage in enumerate(STAGES):
        for place, name in enumerate(stage):
            names[f"encoder.stages.{level}.{place}.conv"] = f"conv{name}"
    for place, level in enumerate((6, 5, 4, 3, 2)):
        names[f"predictions.{place}.conv"] = f"pred{level}"
        names[f"field_doublings.{place}"] = f"upsamp{level}to{level - 1}"
        names[f"doublings.{place}.conv"] = f"deconv{level - 1}"
    names["head"] = "upsamp1to0"
    weights = {}
    for ours, theirs in names.items():
        weights[f"{ours}.weight"] = torch.from_numpy(recorded[f"w_{theirs}__W"]).permute(4, 3, 0, 1, 2)
        if f"w_{theirs}__b" in recorded:
            weights[f"{ours}.bias"] = torch.from_numpy(recorded[f"w_{theirs}__b"])
    return weights


def test_2d_image_of_unequal_sides() -> None:
    assert DenseSubnetwork(2, base_channels=2, levels=2)(torch.rand(2, 2, 4, 12)).shape == (2, 2, 4, 12)
