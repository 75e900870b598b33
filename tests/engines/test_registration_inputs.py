from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from common.engines import registration_preprocessing
from common.transforms import CaseGrid


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, str]:
    generator = np.random.default_rng(0)
    for side in ("fixed", "moving"):
        image = generator.normal(size=(8, 9, 10)).astype(np.float32)
        nib.save(nib.Nifti1Image(image, np.diag([2.0, 2, 2, 1])), tmp_path / f"{side}_image.nii")
        nib.save(nib.Nifti1Image((image > 0).astype(np.uint8), np.diag([2.0, 2, 2, 1])), tmp_path / f"{side}_label.nii")
    (tmp_path / "fixed_keypoints.csv").write_text("x,y,z\n-3,-4,5\n")
    return {path.name.split(".")[0]: str(path) for path in tmp_path.iterdir()}


GRID = CaseGrid(spacing=2.0)


def test_registration_preprocessing_makes_the_input_of_a_network(pair: dict[str, str]) -> None:
    done: Any = registration_preprocessing(GRID, initial_transform="none")(pair)
    assert done["image"].shape == (2, 8, 9, 10)
    assert done["fixed_label"].dtype == torch.int32
    assert done["fixed_keypoints"].tolist() == [[-3, -4, 5]]
    assert list(done["seconds"]) == ["load", "pre-alignment", "working grid"]


def test_registration_preprocessing_hands_its_options_on(pair: dict[str, str]) -> None:
    with pytest.raises(RuntimeError) as error:
        registration_preprocessing(GRID, largest_extent_mm=19)(pair)
    assert "the weights know no more than 19 mm" in str(error.value.__cause__)
    with pytest.raises(RuntimeError) as error:
        registration_preprocessing(GRID, spatial_dims=2)(pair)
    assert "is expected to be a 2-D scan" in str(error.value.__cause__)
    with pytest.raises(RuntimeError) as error:
        registration_preprocessing(GRID, initial_transform="none", bytes_per_voxel=1e15)(pair)
    assert "memory" in str(error.value.__cause__)
    keys: dict[str, Any] = {"image_keys": ["moving_image", "fixed_image"], "label_keys": (), "keypoint_keys": "points"}
    done: Any = registration_preprocessing(GRID, initial_transform="none", **keys)(pair)
    assert [done[key] for key in ("fixed_label", "fixed_keypoints")] == [pair["fixed_label"], pair["fixed_keypoints"]]
