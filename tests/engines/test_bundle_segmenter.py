"""Probabilities of organs from a bundle as MONAI's model zoo has them, and from what was trained here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from monai.networks.nets import UNet

from common.engines import Segmenter, SegmenterSettings, load_segmenter
from common.networks.nets import SegmentationUNet

NETWORK: dict[str, Any] = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [2, 4], "strides": [2]}
CONFIG: dict[str, Any] = {
    "imports": ["$import os"],
    "bundle_root": "/workspace/bundle",
    "device": "$torch.device('cuda:0')",
    "dataset_dir": "/workspace/data",
    "datalist": "$sorted(os.listdir(@dataset_dir))",
    "network_def": {"_target_": "UNet", **NETWORK},
    "network": "$@network_def.to(@device)",
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image"},
            {"_target_": "EnsureChannelFirstd", "keys": "image"},
            {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "labels": None},
            {"_target_": "Spacingd", "keys": "image", "pixdim": [2.0, 2.0, 2.0], "mode": "bilinear"},
            {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 100, "b_min": 0, "b_max": 1},
            {"_target_": "EnsureTyped", "keys": "image"},
        ],
    },
    "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 16], "sw_batch_size": 1, "overlap": 0.25},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [{"_target_": "Activationsd", "keys": "pred", "softmax": True}],
    },
}
FLIPPED = torch.tensor([[-1.0, 0, 0, 20], [0, 1, 0, -5], [0, 0, 1, 3], [0, 0, 0, 1]]).double()


def write_bundle(folder: Path, **changed: Any) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps({**CONFIG, **changed}))
    torch.manual_seed(0)
    torch.save(UNet(**NETWORK).state_dict(), folder / "models" / "model.pt")
    return folder


def loaded(folder: Path, **options: Any) -> Callable[[MetaTensor], MetaTensor]:
    segment = load_segmenter(folder, **options)
    assert segment is not None
    return segment


def scan() -> MetaTensor:
    values = torch.rand(1, 22, 24, 26, generator=torch.Generator().manual_seed(0)) * 100
    return MetaTensor(values, affine=FLIPPED)


def thresholded(segment: Any) -> Any:
    """In place of the network: organ 1 where the scaled image is above one half."""
    vars(segment)["network"] = lambda image: 50 * torch.cat([0.5 - image, image - 0.5], dim=1)
    return segment


def test_a_bundle_of_the_zoo_is_asked_as_it_is(tmp_path: Path) -> None:
    """Its own orientation, voxel size, intensities and inferer; a bright block lies where it does in the world."""
    segment = thresholded(loaded(write_bundle(tmp_path / "zoo")))
    image = scan() * 0
    image[0, 4:12, 6:16, 8:20] = 100
    organs = segment(image)
    assert len(organs) == 1
    assert organs.affine.diagonal()[:3].tolist() == [2, 2, 2]
    voxels = (organs[0].as_tensor() > 0.5).nonzero().double() @ organs.affine[:3, :3].T + organs.affine[:3, 3]
    block = torch.tensor([[20 - 11.0, 1, 11], [20 - 4, 10, 22]])
    torch.testing.assert_close(torch.stack([voxels.amin(0), voxels.amax(0)]).float(), block, atol=1.01, rtol=0)


def test_the_weights_are_those_of_the_bundle(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "zoo")
    organs = loaded(folder)(scan())
    network = UNet(**NETWORK).eval()
    network.load_state_dict(torch.load(folder / "models" / "model.pt", weights_only=True))
    assert organs.min() > 0
    assert organs.max() < 1
    torch.save({"model": torch.load(folder / "models" / "model.pt", weights_only=True)}, folder / "models" / "model.pt")
    torch.testing.assert_close(loaded(folder)(scan()), organs)


def test_sigmoid_keeps_all_classes(tmp_path: Path) -> None:
    activation = {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}
    segment = loaded(write_bundle(tmp_path / "zoo", postprocessing=activation))
    assert segment(scan()).shape[0] == 2


def test_what_was_trained_here_needs_no_config(tmp_path: Path) -> None:
    torch.save(SegmentationUNet(classes=3, multiplier=1, convolutions=(1,)).state_dict(), tmp_path / "model.pt")
    settings = {"windows": None, "spacing": [2.0, 2.0, 2.0], "spatial_size": [16, 16, 16], "region": "foreground"}
    SegmenterSettings(tmp_path, **settings).write()
    organs = loaded(tmp_path)(scan())
    assert organs.shape[0] == 2
    assert (organs.as_tensor().sum(0) <= 1).all()
    assert Segmenter(tmp_path / "model.pt")(scan()).shape == (1, 22, 24, 26)


def test_without_a_folder_there_is_no_segmenter() -> None:
    assert load_segmenter(None) is None


def test_a_folder_without_weights_is_told(tmp_path: Path) -> None:
    (write_bundle(tmp_path / "zoo") / "models" / "model.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"--segmenter .*zoo holds no weights, neither .* nor .*models"):
        loaded(tmp_path / "zoo")
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*absent, which --segmenter names"):
        loaded(tmp_path / "absent")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"network_def": {"_target_": "UNet", **NETWORK, "out_channels": 3}}, "do not fit the network"),
        ({"network_def": {"_target_": "UNet", **NETWORK, "in_channels": 4}}, "do not fit the network"),
    ],
)
def test_bundles_that_do_not_fit_are_told(tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loaded(write_bundle(tmp_path / "zoo", **changed))


def test_other_folders_are_told(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "zoo")
    (folder / "configs" / "inference.json").write_text(json.dumps({"network_def": CONFIG["network_def"]}))
    with pytest.raises(ValueError, match=r"inference\.json is expected to have preprocessing, inferer"):
        loaded(folder)
    (folder / "configs" / "inference.json").unlink()
    with pytest.raises(ValueError, match=r"is expected to be a bundle with configs/inference\.json"):
        loaded(folder)


def test_scans_that_the_bundle_does_not_take_are_told(tmp_path: Path) -> None:
    segment = loaded(write_bundle(tmp_path / "zoo"))
    segment.__dict__["network"] = UNet(**{**NETWORK, "in_channels": 4}).eval()
    with pytest.raises(ValueError, match=r"--segmenter .*zoo does not take a scan of one channel: Given groups"):
        segment(scan())
