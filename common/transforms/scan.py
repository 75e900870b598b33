"""Reading a scan, label map or mask: every format ITK and nibabel read, checked, in one frame.

nibabel and MONAI's ITK reader read the formats; what they leave to chance is checked here once (missing and truncated
files, dimensions, NaN, constant images, singular affines), so that everything behind it can trust its input.
"""

import locale
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import ITKReader, MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple


def read_scan(path: str | Path, spatial_dims: int = 3, label: bool = False) -> MetaTensor:
    """Read one scan.

    Args:
        path: NIfTI, NRRD, MetaImage, any other file ITK reads, or a folder with one DICOM series.
        spatial_dims: 2 or 3.
        label: the file is a label map or mask: values must be whole numbers and may be constant.

    Returns:
        ``(1, *spatial)``: float32 for a scan, int32 for a label map; ``affine`` is voxel to world, RAS mm, ``(4, 4)``
        float64; ``meta["stored_dtype"]`` names the type in the file.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if it is no image, is damaged, has other dimensions, or its values or affine cannot be used.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        array, affine = _read_nifti(path) if path.name.endswith((".nii", ".nii.gz")) else _read_with_itk(path)
    except Exception as error:  # every reader raises its own kind of error
        raise ValueError(f"{path} cannot be read as an image: it is damaged, or in no format known here.") from error
    array = _drop_trailing_axes(array, spatial_dims)
    if array.ndim != spatial_dims:
        raise ValueError(f"{path} is expected to be a {spatial_dims}-D scan, got the shape {tuple(array.shape)}.")
    _check_values(array, path, label)
    _check_affine(affine[:spatial_dims, :spatial_dims], path)
    values = torch.from_numpy(np.ascontiguousarray(array.astype(np.int32 if label else np.float32)))[None]
    return MetaTensor(values, affine=torch.from_numpy(affine), meta={"stored_dtype": str(array.dtype)})


def _read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Array and affine as nibabel has them: MONAI's reader prefers any qform to a sform that pixdim contradicts."""
    image: Any = nib.load(path)
    placed = image.header["sform_code"] > 0 or image.header["qform_code"] > 0
    return np.asanyarray(image.dataobj), image.affine if placed else np.zeros((4, 4))


def _read_with_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    reader = ITKReader()  # LoadImage would try every reader it knows, each with its own complaints
    encoding = locale.setlocale(locale.LC_CTYPE)
    try:
        array, meta = reader.get_data(reader.read(str(path)))
    finally:  # ITK's DICOM reader leaves the process in the locale C, where all text is ASCII
        locale.setlocale(locale.LC_CTYPE, encoding)
    return array, _in_3d(np.asarray(meta["affine"], dtype=np.float64))


def _drop_trailing_axes(array: np.ndarray, spatial_dims: int) -> np.ndarray:
    """Axes of length one behind the spatial ones mean nothing (NIfTI writes 2-D images with a third one)."""
    while array.ndim > spatial_dims and array.shape[-1] == 1:
        array = array[..., 0]
    return array


def _check_values(array: np.ndarray, path: Path, label: bool) -> None:
    if array.size == 0:
        raise ValueError(f"{path} is empty: its shape is {tuple(array.shape)}.")
    if array.dtype.kind not in "buif":
        raise ValueError(f"{path} is expected to hold one number a voxel, got the type {array.dtype}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{path} holds NaN or infinite values.")
    if label and array.dtype.kind == "f" and (array != np.round(array)).any():
        raise ValueError(f"{path} is expected to be a label map, got values that are not whole numbers.")
    if not label and array.min() == array.max():
        raise ValueError(f"{path} is constant: every voxel is {array.flat[0]}, there is nothing to register.")


def _in_3d(affine: np.ndarray) -> np.ndarray:
    """The affine of a 2-D image, 3 x 3, as nibabel has it: 4 x 4."""
    whole = np.eye(4)
    whole[: len(affine) - 1, : len(affine) - 1] = affine[:-1, :-1]
    whole[: len(affine) - 1, 3] = affine[:-1, -1]
    return whole


def _check_affine(axes: np.ndarray, path: Path) -> None:
    lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(axes).all() or abs(np.linalg.det(axes)) < 1e-6 * max(np.prod(lengths), 1e-12):
        raise ValueError(
            f"{path} has a singular or no affine: its header does not say where the voxels lie in the world."
        )


class LoadScansd(MapTransform):
    """Read the scans and label maps of a pair, and check that they fit together.

    Args:
        keys: entries that hold paths of scans.
        label_keys: entries that hold paths of label maps or masks; ``fixed_*`` must have the shape of ``fixed_image``,
            ``moving_*`` that of ``moving_image``, ``label`` that of ``image``. Absent entries are left out.
        spatial_dims: 2 or 3.

    Raises:
        ValueError: if a label map does not have the shape of its scan; and whatever `read_scan` raises.
    """

    def __init__(self, keys: KeysCollection, label_keys: KeysCollection = (), spatial_dims: int = 3) -> None:
        super().__init__(keys)
        self.label_keys = ensure_tuple(label_keys)
        self.spatial_dims = spatial_dims

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the paths by MetaTensors ``(1, *spatial)``."""
        loaded = dict(data)
        for key in self.keys:
            loaded[key] = read_scan(data[key], self.spatial_dims)
        for key in self.label_keys:
            if key in data:
                loaded[key] = read_scan(data[key], self.spatial_dims, label=True)
                scan = loaded[str(key).replace("label", "image").replace("mask", "image")]
                if loaded[key].shape != scan.shape:
                    got, expected = tuple(loaded[key].shape[1:]), tuple(scan.shape[1:])
                    raise ValueError(f"{data[key]} is expected to have the shape {expected} of its scan, got {got}.")
        return loaded
