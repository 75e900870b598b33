"""What a scan holds around the patient reaches no network: padding of any value, on any side."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

BUNDLES = Path(__file__).parents[2] / "bundles"
NAMES = ("abdomen_ct_self_training", "cardiac_mr_dirnet", "hippocampus_mr_symmetric", "liver_ct_curriculum")
PADDING = ((3, 5), (0, 7), (4, 1))


def prepared(bundle: str, phantom: dict[str, str]) -> torch.Tensor:
    """The network's input, as `inference.json` makes it."""
    parser = ConfigParser()
    parser.read_config(BUNDLES / bundle / "configs" / "inference.json")
    parser["spacing"], parser["initial_transform"] = 9.0, "center"
    preprocessing = parser.get_parsed_content("preprocessing")
    image = preprocessing({key: phantom[key] for key in ("fixed_image", "moving_image")})["image"]
    return torch.as_tensor(image.as_tensor())


def padded(path: str, folder: Path, value: float) -> str:
    """The same scan at the same place in the world, with padding around it."""
    scan = nib.load(path)
    affine = scan.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ [before for before, _ in PADDING]
    array = np.pad(scan.get_fdata(dtype=np.float32), PADDING, constant_values=value)
    nib.save(nib.Nifti1Image(array, affine), folder / Path(path).name)
    return str(folder / Path(path).name)


@pytest.mark.parametrize("value", [0.0, -3024.0])
@pytest.mark.parametrize("bundle", NAMES)
def test_padding_reaches_no_network(bundle: str, value: float, phantom: dict[str, str], tmp_path: Path) -> None:
    cropped = {}
    for key in ("fixed_image", "moving_image"):  # through the body, so that there is no air around it
        scan = nib.load(phantom[key])
        middle = scan.slicer[tuple(slice(n // 4, 3 * n // 4) for n in scan.shape)]
        nib.save(middle, tmp_path / Path(phantom[key]).name)
        cropped[key] = str(tmp_path / Path(phantom[key]).name)
    (tmp_path / "padded").mkdir()
    around = {key: padded(path, tmp_path / "padded", value) for key, path in cropped.items()}
    torch.testing.assert_close(prepared(bundle, around), prepared(bundle, cropped), atol=1e-4, rtol=0)
