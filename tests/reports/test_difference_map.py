"""Pictures of what differs before and after a registration."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import AxesImage, imread

from common.reports import difference_maps, draw_difference_maps
from common.reports._canvas import Canvas

SHAPE = (6, 8)
FIXED = np.arange(48.0).reshape(SHAPE)


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> list[AxesImage]:
    """The images of the picture that would be written."""
    drawn: list[AxesImage] = []

    def keep(canvas: Canvas, _: object) -> None:
        drawn.extend(image for axes in canvas.figure.axes for image in axes.images)

    monkeypatch.setattr(Canvas, "save", keep)
    return drawn


def test_differences_are_signed_and_of_the_fixed_range(pictures: list[AxesImage]) -> None:
    low, high = np.quantile(FIXED, (0.005, 0.995))
    brighter = FIXED.copy()
    brighter[1, 2] += 0.25 * (high - low)
    means = difference_maps("maps.png", FIXED, {"moving": FIXED - 0.1 * (high - low), "warped": brighter}, (1, 2))
    assert means == pytest.approx({"moving": 0.1, "warped": 0.25 / 48})
    before, after = (np.asarray(picture.get_array()) for picture in pictures[3:])
    np.testing.assert_allclose(before, -0.1)
    expected = np.zeros(SHAPE)
    expected[1, 2] = 0.25
    np.testing.assert_allclose(after, expected.T[:, ::-1], atol=1e-12)  # the patient's right is on the left
    assert pictures[0].get_extent() == [0, 6, 0, 16]  # mm


def test_scans_are_compared_where_their_headers_place_them(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).random((9, 10, 11)).astype(np.float32)
    affine = np.diag([2.0, 2, 3, 1])
    nib.save(nib.Nifti1Image(volume, affine), tmp_path / "fixed.nii.gz")
    turned = nib.Nifti1Image(volume, affine).as_reoriented(np.array([[1, -1], [0, 1], [2, -1]]))
    nib.save(turned, tmp_path / "turned.nii.gz")
    means = draw_difference_maps(tmp_path / "maps.png", tmp_path / "fixed.nii.gz", [tmp_path / "turned.nii.gz"])
    assert means == pytest.approx({f"{tmp_path.name}/turned": 0}, abs=1e-5)
    assert imread(tmp_path / "maps.png").shape[0] > 6 * 256  # three planes, two rows each


def test_an_image_of_one_slice_is_compared_with_a_plain_one(tmp_path: Path) -> None:
    for name, array in (("fixed", FIXED[..., None]), ("warped", FIXED)):
        nib.save(nib.Nifti1Image(array.astype(np.float32), np.eye(4)), tmp_path / f"{name}.nii.gz")
    means = draw_difference_maps(tmp_path / "a.png", tmp_path / "fixed.nii.gz", [tmp_path / "warped.nii.gz"])
    assert list(means.values()) == pytest.approx([0], abs=1e-6)


def test_wrong_images_raise(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'others' with at least one image, got none"):
        difference_maps(tmp_path / "a.png", FIXED, {}, (1, 1))
    with pytest.raises(ValueError, match=r"'moving' of shape \(6, 8\), got \(8, 6\)"):
        difference_maps(tmp_path / "a.png", FIXED, {"moving": FIXED.T}, (1, 1))
    with pytest.raises(ValueError, match="'fixed' that is not constant"):
        difference_maps(tmp_path / "a.png", np.ones(SHAPE), {"moving": FIXED}, (1, 1))
    nib.save(nib.Nifti1Image(FIXED.astype(np.float32), np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match="Scans of different folders or names are expected"):
        draw_difference_maps(tmp_path / "a.png", tmp_path / "a.nii.gz", [tmp_path / "a.nii.gz"] * 2)
    with pytest.raises(FileNotFoundError, match=r"There is no file .*absent\.nii"):
        draw_difference_maps(tmp_path / "a.png", tmp_path / "a.nii.gz", [tmp_path / "absent.nii"])
    assert not (tmp_path / "a.png").exists()
