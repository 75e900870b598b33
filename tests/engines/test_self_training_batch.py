from typing import Any

import pytest
import torch

from common.engines import SelfTrainingBatch
from common.optimization import REFERENCE, transport_displacement
from common.spatial import affine_displacement, affine_in_voxels, warp

SHAPE = (8, 12, 10)


def batch(label: bool = True) -> dict[str, Any]:
    pair: dict[str, Any] = {key: torch.rand(2, 1, *SHAPE) for key in ("fixed_image", "moving_image")}
    return pair | ({"pseudo_label": torch.rand(2, 3, *(n // 2 for n in SHAPE))} if label else {}) | {"pair": ["a", "b"]}


def test_strength_0_leaves_a_pair_as_it_is() -> None:
    given = batch()
    image, made = SelfTrainingBatch(strength=0.0)(given, "cpu")
    torch.testing.assert_close(image, torch.cat([given["fixed_image"], given["moving_image"]], dim=1))
    assert made["pseudo_label"] is given["pseudo_label"] or made["pseudo_label"].equal(given["pseudo_label"])


@pytest.mark.parametrize("reference", [False, True])
def test_each_image_follows_its_map_and_the_label_both(reference: bool) -> None:
    given = batch()
    augmentation = SelfTrainingBatch(strength=0.05, reference=reference)
    torch.manual_seed(3)
    image, made = augmentation(given, "cpu")
    torch.manual_seed(3)
    maps = augmentation.draw(2, 3)
    for channel, (key, matrix) in enumerate(zip(("fixed_image", "moving_image"), maps, strict=True)):
        way = affine_displacement(affine_in_voxels(matrix, SHAPE), SHAPE)
        expected = warp(given[key], way, padding="zeros" if reference else "border")
        torch.testing.assert_close(image[:, channel : channel + 1], expected)
        torch.testing.assert_close(made[key], expected)
    scheme: dict[str, Any] = {"scheme": REFERENCE} if reference else {}
    label = transport_displacement(given["pseudo_label"], *maps, centered=reference, **scheme)
    torch.testing.assert_close(made["pseudo_label"], label)


def test_contrasts_change_and_the_label_does_not() -> None:
    given = batch()
    images, labels = [], []
    for contrast in (0.0, 1.0):
        torch.manual_seed(2)
        image, made = SelfTrainingBatch(contrast=contrast)(given, "cpu")
        images.append(image)
        labels.append(made["pseudo_label"])
    assert torch.equal(*labels)
    assert ((images[0] - images[1]).abs().flatten(2).mean(2) > 0.01).all()  # of both images of both pairs
    assert not torch.allclose(*(images[1] - images[0]).split(1, dim=1))


def test_maps_are_as_strong_as_they_should_be() -> None:
    torch.manual_seed(0)
    fixed_map, moving_map = SelfTrainingBatch(strength=0.02).draw(4000, 3)
    between = moving_map @ torch.linalg.inv(fixed_map)
    last = torch.tensor([0.0, 0, 0, 1]).expand(4000, 4)
    for matrix, strength in ((fixed_map, 0.03), (between, 0.02)):
        noise = (matrix - torch.eye(4))[:, :3]
        assert noise.std().item() == pytest.approx(strength, rel=0.03)
        torch.testing.assert_close(matrix[:, 3], last, atol=1e-6, rtol=0)


def test_pairs_without_labels_are_moved_alike() -> None:
    given = batch()
    torch.manual_seed(1)
    with_label, _ = SelfTrainingBatch()(given, "cpu")
    torch.manual_seed(1)
    image, made = SelfTrainingBatch()({key: given[key] for key in ("fixed_image", "moving_image")}, "cpu")
    torch.testing.assert_close(image, with_label)
    assert "pseudo_label" not in made


def test_planar_pairs_are_moved_too() -> None:
    pair = {key: torch.rand(1, 1, 8, 10) for key in ("fixed_image", "moving_image")}
    image, made = SelfTrainingBatch()(pair | {"pseudo_label": torch.zeros(1, 2, 4, 5)}, "cpu")
    assert image.shape == (1, 2, 8, 10)
    assert made["pseudo_label"].abs().max() > 0
