from typing import Any

import pytest
import torch
from monai.transforms import Compose

from common.engines import pair_augmentation

AFFINE = {"probability": 1.0, "rotation_axes": "all", "rotation_degrees": 20, "translation_voxels": 2, "zoom": 0.1}
INDEPENDENT = {
    "probability": 1.0,
    "rotation_degrees": 0,
    "translation_voxels": 0,
    "zoom": 0.0,
    "gamma": [2.0, 2.0],
    "noise": 0.0,
}


def make_pair(shape: tuple[int, ...] = (10, 12, 14)) -> dict[str, torch.Tensor]:
    image = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    label = (image > 0.5).long()
    return {"fixed_image": image, "moving_image": image, "fixed_label": label, "moving_label": label}


def apply(augmentation: Compose, pair: dict[str, torch.Tensor], seed: int = 0) -> dict[str, Any]:
    augmentation.set_random_state(seed=seed)
    return augmentation({key: value.clone() for key, value in pair.items()})


def test_both_scans_are_moved_alike() -> None:
    augmentation = pair_augmentation((10, 12, 14), flip_probability=0.5, affine=AFFINE)
    pair = make_pair()
    moved = apply(augmentation, pair)
    assert torch.equal(moved["fixed_image"].as_tensor(), moved["moving_image"].as_tensor())
    assert not torch.allclose(moved["fixed_image"].as_tensor(), pair["fixed_image"])
    assert set(moved["fixed_label"].unique().tolist()) <= {0, 1}
    again = apply(augmentation, pair)
    assert torch.equal(again["fixed_image"].as_tensor(), moved["fixed_image"].as_tensor())


def test_labels_may_be_missing() -> None:
    pair = {key: value for key, value in make_pair().items() if "image" in key}
    assert set(apply(pair_augmentation((10, 12, 14), affine=AFFINE, independent=INDEPENDENT), pair)) == set(pair)


def test_one_axis_at_a_time_is_turned_about() -> None:
    affine = AFFINE | {"rotation_axes": "one", "translation_voxels": 0, "zoom": 0.0}
    image = torch.arange(12.0).view(1, 1, 12, 1).expand(1, 12, 12, 12).clone()
    turned = [
        apply(pair_augmentation((12, 12, 12), affine=affine), {"fixed_image": image, "moving_image": image}, n)
        for n in range(12)
    ]
    kept = [torch.allclose(each["fixed_image"][0, 4:8, 6, 4:8], image[0, 4:8, 6, 4:8], atol=1e-3) for each in turned]
    assert any(kept)  # about the axis along which it changes
    assert not all(kept)


def test_outside_of_a_scan_is_zero() -> None:
    affine = AFFINE | {"rotation_degrees": 0, "zoom": 0.0, "translation_voxels": 5}
    ones = {"fixed_image": torch.ones(1, 12, 12, 12), "moving_image": torch.ones(1, 12, 12, 12)}
    assert apply(pair_augmentation((12, 12, 12), affine=affine), ones)["fixed_image"].min() == 0


def test_each_scan_may_have_a_narrower_field_of_view() -> None:
    ones = {"fixed_image": torch.ones(1, 12, 12, 12), "moving_image": torch.ones(1, 12, 12, 12)}
    narrow = apply(pair_augmentation((12, 12, 12), margin={"probability": 1.0, "voxels": 3}), ones)
    assert 0 < narrow["fixed_image"].mean() < 1
    assert not torch.equal(narrow["fixed_image"], narrow["moving_image"])


def test_each_scan_is_changed_by_itself() -> None:
    pair = make_pair()
    changed = apply(pair_augmentation((10, 12, 14), independent=INDEPENDENT | {"noise": 0.5}), pair)
    assert not torch.allclose(changed["fixed_image"].as_tensor(), changed["moving_image"].as_tensor())
    assert torch.equal(changed["fixed_label"].as_tensor().long(), pair["fixed_label"])
    still = apply(pair_augmentation((10, 12, 14), independent=INDEPENDENT | {"probability": 0.0}), pair)
    assert torch.equal(still["fixed_image"].as_tensor(), pair["fixed_image"])


def test_images_of_two_axes_are_moved_as_well() -> None:
    pair = make_pair((16, 16))
    augmentation = pair_augmentation((16, 16), quarter_turn_probability=1.0, affine=AFFINE, independent=INDEPENDENT)
    moved = apply(augmentation, pair)
    assert moved["fixed_image"].shape == (1, 16, 16)
    assert not torch.allclose(moved["fixed_image"].as_tensor(), pair["fixed_image"])


def test_words_for_numbers_are_told() -> None:
    with pytest.raises(ValueError, match=r"^A random affine map is expected to be told by numbers, got 1\.0, 20, 2, x"):
        pair_augmentation([8, 8, 8], affine={**AFFINE, "zoom": "x"})
