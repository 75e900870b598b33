from types import SimpleNamespace

import torch
from monai.data import MetaTensor

from common.engines import (
    moving_and_fixed_label,
    predicted_ddf,
    prepare_pair_batch,
    warped_and_fixed_image,
    warped_and_fixed_label,
)


def test_prepare_pair_batch_puts_the_fixed_image_first() -> None:
    batch = {"fixed_image": MetaTensor(torch.zeros(1, 1, 2, 2)), "moving_image": torch.ones(1, 1, 2, 2), "name": ["a"]}
    image, moved = prepare_pair_batch(batch, "cpu")
    assert image.shape == (1, 2, 2, 2)
    assert image.mean(dim=(2, 3)).tolist() == [[0, 1]]
    assert type(moved["fixed_image"]) is torch.Tensor
    assert moved["name"] == ["a"]


def test_labels_are_warped_by_the_prediction() -> None:
    label = torch.arange(12).reshape(1, 1, 3, 4)
    ddf = torch.zeros(1, 2, 3, 4)
    ddf[:, 1] = 1
    output = {"pred": SimpleNamespace(ddf=ddf), "label": {"moving_label": label, "fixed_label": label}}
    warped, fixed = warped_and_fixed_label(output)
    assert torch.equal(warped[..., :-1], label[..., 1:])
    assert fixed is label
    assert moving_and_fixed_label(output) == (label, label)
    assert predicted_ddf(output)[0] is ddf
    images = {"pred": ddf, "label": {"moving_image": label.float(), "fixed_image": label}}
    assert warped_and_fixed_image(images)[0][0, 0, 0].tolist() == [1, 2, 3, 0]
    assert predicted_ddf({"pred": ddf})[1] is ddf
