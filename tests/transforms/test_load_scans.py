"""Reading a pair: what belongs together is read together."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from common.transforms import LoadScansd

SHAPE = (5, 6, 7)
SPACING = np.array([2.0, 3.1, 1.7])
# oblique, axes permuted and flipped
DIRECTION = Rotation.from_euler("zyx", (20, -15, 35), degrees=True).as_matrix()[:, [2, 0, 1]] * [-1, 1, 1]
AFFINE = np.eye(4)  # RAS
AFFINE[:3, :3] = np.diag([-1, -1, 1]) @ DIRECTION * SPACING
AFFINE[:3, 3] = [-4.0, 30.0, 12.0]
RAMP = np.arange(210).reshape(SHAPE)
CINE = np.arange(5 * 6 * 7 * 3, dtype=np.int16).reshape(*SHAPE, 3)


def write(path: Path, array: NDArray) -> None:
    nib.save(nib.Nifti1Image(array, AFFINE), path)


LOAD = LoadScansd(("fixed_image", "moving_image"), ("fixed_label", "moving_label", "fixed_mask"))


def write_pair(folder: Path) -> dict[str, str]:
    write(folder / "fixed.nii.gz", RAMP.astype(np.float32))
    write(folder / "moving.nii.gz", RAMP[:4].astype(np.int16))
    write(folder / "label.nii.gz", RAMP.astype(np.uint8))
    return {"fixed_image": str(folder / "fixed.nii.gz"), "moving_image": str(folder / "moving.nii.gz")}


def test_load_scansd_reads_what_is_there(tmp_path: Path) -> None:
    label = {"fixed_label": str(tmp_path / "label.nii.gz")}
    loaded = LOAD({**write_pair(tmp_path), **label, "pair": "1"})
    assert loaded["fixed_image"].shape == (1, 5, 6, 7)
    assert loaded["moving_image"].shape == (1, 4, 6, 7)
    assert loaded["fixed_label"].dtype == torch.int32
    assert loaded["pair"] == "1"
    assert "moving_label" not in loaded


@pytest.mark.parametrize(("key", "shape"), [("moving_label", r"\(4, 6, 7\)"), ("fixed_mask", r"\(5, 6, 7\)")])
def test_load_scansd_rejects_a_label_of_another_shape(key: str, shape: str, tmp_path: Path) -> None:
    data = write_pair(tmp_path)
    other = {"moving_label": RAMP, "fixed_mask": RAMP[:4]}[key]
    write(tmp_path / "other.nii.gz", other.astype(np.uint8))
    got = r"\(5, 6, 7\)" if key == "moving_label" else r"\(4, 6, 7\)"
    with pytest.raises(
        ValueError, match=rf"other\.nii\.gz is expected to have the shape {shape} of its scan, got {got}"
    ):
        LOAD({**data, key: str(tmp_path / "other.nii.gz")})


@pytest.mark.parametrize(("voxels", "fits"), [(0.45, True), (0.55, False)])
def test_load_scansd_rejects_a_label_that_lies_elsewhere(voxels: float, fits: bool, tmp_path: Path) -> None:
    data = write_pair(tmp_path)
    affine = AFFINE.copy()
    affine[2, 3] += voxels * SPACING.min()
    nib.save(nib.Nifti1Image(RAMP.astype(np.uint8), affine), tmp_path / "other.nii.gz")
    data["fixed_label"] = str(tmp_path / "other.nii.gz")
    if fits:
        assert LOAD(data)["fixed_label"].shape == (1, *SHAPE)
        return
    with pytest.raises(ValueError, match=r"other\.nii\.gz is expected to lie where its scan does.* 0\.\d+ mm apart"):
        LOAD(data)


def test_load_scansd_takes_a_label_without_a_place(tmp_path: Path) -> None:
    np.save(tmp_path / "label.npy", RAMP.astype(np.uint8))
    loaded = LOAD({**write_pair(tmp_path), "fixed_label": str(tmp_path / "label.npy")})
    np.testing.assert_array_equal(loaded["fixed_label"][0].numpy(), RAMP)


def test_load_scansd_finds_the_dimensions_of_each_pair(tmp_path: Path) -> None:
    load = LoadScansd(("fixed_image", "moving_image"), "moving_label", spatial_dims=None)
    write(tmp_path / "volume.nii.gz", RAMP.astype(np.uint8))
    np.save(tmp_path / "image.npy", RAMP[0].astype(np.uint8))
    for name, shape in (("volume.nii.gz", SHAPE), ("image.npy", SHAPE[1:])):
        loaded = load({key: str(tmp_path / name) for key in ("fixed_image", "moving_image", "moving_label")})
        assert {tuple(scan.shape) for scan in loaded.values()} == {(1, *shape)}


def test_load_scansd_reads_one_phase_of_each_side(tmp_path: Path) -> None:
    write(tmp_path / "cine.nii.gz", CINE)
    write(tmp_path / "labels.nii.gz", (CINE % 5).astype(np.uint8))
    write(tmp_path / "label.nii.gz", RAMP.astype(np.uint8))
    cine = str(tmp_path / "cine.nii.gz")
    data = {"fixed_image": cine, "moving_image": cine, "fixed_phase": 0, "moving_phase": 2}
    labels = {"fixed_label": str(tmp_path / "label.nii.gz"), "moving_label": str(tmp_path / "labels.nii.gz")}
    loaded = LOAD({**data, **labels})
    np.testing.assert_array_equal(loaded["fixed_image"][0].numpy(), CINE[..., 0])
    np.testing.assert_array_equal(loaded["moving_image"][0].numpy(), CINE[..., 2])
    np.testing.assert_array_equal(loaded["fixed_label"][0].numpy(), RAMP)
    np.testing.assert_array_equal(loaded["moving_label"][0].numpy(), CINE[..., 2] % 5)
    assert loaded["moving_phase"] == 2


def test_load_scansd_reads_one_phase_of_a_case(tmp_path: Path) -> None:
    write(tmp_path / "cine.nii.gz", CINE)
    loaded = LoadScansd("image")({"image": str(tmp_path / "cine.nii.gz"), "phase": 1})
    np.testing.assert_array_equal(loaded["image"][0].numpy(), CINE[..., 1])


def test_load_scansd_refuses_negative_labels(tmp_path: Path) -> None:
    """They can be warped, but not measured: that is known before the registration."""
    write(tmp_path / "other.nii.gz", np.where(RAMP < 50, -1, 1).astype(np.int16))
    data = {**write_pair(tmp_path), "fixed_label": str(tmp_path / "other.nii.gz")}
    with pytest.raises(ValueError, match=r"other\.nii\.gz is expected to hold labels from 0 on, got -1"):
        LOAD(data)


def test_load_scansd_refuses_an_empty_mask(tmp_path: Path) -> None:
    write(tmp_path / "other.nii.gz", np.zeros(SHAPE, np.uint8))
    data = {**write_pair(tmp_path), "fixed_mask": str(tmp_path / "other.nii.gz")}
    with pytest.raises(ValueError, match=r"other\.nii\.gz is expected to be a mask, but no voxel of it is above 0"):
        LOAD(data)
    data["fixed_label"] = data.pop("fixed_mask")
    assert LOAD(data)["fixed_label"].max() == 0


def test_load_scansd_refuses_one_slice_where_volumes_are_wanted(tmp_path: Path) -> None:
    write(tmp_path / "slice.nii.gz", RAMP[:, :, :1].astype(np.uint8))
    pair = dict.fromkeys(("fixed_image", "moving_image"), str(tmp_path / "slice.nii.gz"))
    with pytest.raises(
        ValueError, match=r"slice\.nii\.gz is expected to be a volume, got one slice, of shape \(5, 6, 1\)"
    ):
        LOAD(pair)
    found = LoadScansd(("fixed_image", "moving_image"), spatial_dims=None)
    assert found(pair)["fixed_image"].shape == (1, 5, 6, 1)  # oblique: it has a place of its own


def test_load_scansd_notes_the_third_axis_of_a_slice(tmp_path: Path) -> None:
    for name, shape in (("fixed", (5, 6, 1)), ("moving", (5, 6))):
        nib.save(
            nib.Nifti1Image(np.arange(30, dtype=np.float32).reshape(shape), np.eye(4)), tmp_path / f"{name}.nii.gz"
        )
    paths = {f"{name}_image": str(tmp_path / f"{name}.nii.gz") for name in ("fixed", "moving")}
    loaded = LoadScansd(("fixed_image", "moving_image"), spatial_dims=2)(paths)
    assert loaded["fixed_image"].meta["one_slice"]
    assert not loaded["moving_image"].meta["one_slice"]


def test_load_scansd_says_which_scan_a_pair_lacks() -> None:
    with pytest.raises(ValueError, match="the pair names no fixed_image and no moving_image"):
        LOAD({"fixed_cloud": "a.csv", "moving_cloud": "b.csv"})


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SPR", "AIL"])
def test_labels_may_have_their_axes_in_another_order(codes: str, tmp_path: Path) -> None:
    """As converters turn them; where each voxel lies in the world decides."""
    data = write_pair(tmp_path)
    label = nib.Nifti1Image((RAMP % 7).astype(np.uint8), AFFINE)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(AFFINE), nib.orientations.axcodes2ornt(codes)
    )
    nib.save(label.as_reoriented(turn), tmp_path / "turned.nii.gz")
    loaded = LOAD({**data, "fixed_label": str(tmp_path / "turned.nii.gz")})
    assert torch.equal(loaded["fixed_label"][0].as_tensor(), torch.from_numpy(RAMP % 7).int())
    torch.testing.assert_close(loaded["fixed_label"].affine, loaded["fixed_image"].affine, atol=1e-5, rtol=0)
    assert loaded["fixed_label"].dtype == torch.int32
