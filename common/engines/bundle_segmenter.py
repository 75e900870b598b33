"""Probabilities of organs from any segmentation bundle: one of MONAI's model zoo, or what `segmentation.json` trained.

MONAI runs a bundle from file to file; here its parts are asked about a scan that has been read.
"""

from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Activations, Activationsd, Compose, EnsureChannelFirstd, LoadImaged
from torch import Tensor

from common.io import InputError, load_weights
from common.transforms.guide_pair import Segment

from .path_option import restore_name
from .segmenter import SETTINGS, Segmenter

WEIGHTS = "model.pt"  # of a bundle, and of a training those that a validation chose
CONFIGS = ("inference.json", "inference.yaml", "inference.yml")
READING = (LoadImaged, EnsureChannelFirstd)


def load_segmenter(folder: str | Path | None, device: torch.device | str = "cpu") -> Segment | None:
    """Load the segmentation bundle whose probabilities are features.

    Args:
        folder: of the bundle: with ``configs/inference.json`` and ``models/model.pt``, as in MONAI's model zoo; or with
            ``model.pt`` and ``settings.json``, as a training with ``segmentation.json`` writes them.
        device: where to compute.

    Returns:
        From a scan, ``(1, *spatial)``, to its organs, ``(L, *grid)``, on a grid of the bundle's; None without a folder.

    Raises:
        InputError: if it cannot be used.
        FileNotFoundError: if its weights are not there.
    """
    if folder is None:
        return None
    weights = segmenter_weights(folder)
    if weights.with_name(SETTINGS).is_file():
        return Segmenter(weights, device).probabilities
    return BundleSegmenter(folder, weights, device)


def segmenter_weights(folder: str | Path) -> Path:
    """Find the weights of a segmentation bundle.

    Raises:
        FileNotFoundError: if there are none.
    """
    folder = Path(restore_name(str(folder)))
    places = [folder / WEIGHTS, folder / "models" / WEIGHTS]
    for place in places:
        if place.is_file():
            return place
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}, which --segmenter names.")
    raise FileNotFoundError(f"--segmenter {folder} holds no weights, neither {places[0]} nor {places[1]}.")


class BundleSegmenter:
    """Asks a bundle as it is for a scan that has been read: its preprocessing, network, weights and inferer.

    Its ``preprocessing`` is applied without what reads files. Probabilities are by sigmoid where its postprocessing has
    one, else by softmax, whose first class is the background.

    Args:
        folder: with ``configs/inference.json`` or its YAML.
        weights: of its ``network_def``.
        device: where to compute.

    Raises:
        InputError: if the folder holds no such config, or the weights do not fit.
    """

    def __init__(self, folder: str | Path, weights: Path, device: torch.device | str = "cpu") -> None:
        self.folder = str(folder)
        self.device = device
        configs = [path for name in CONFIGS if (path := Path(folder) / "configs" / name).is_file()]
        if not configs:
            raise InputError(f"--segmenter {folder} is expected to be a bundle with configs/{CONFIGS[0]}.")
        parser = ConfigParser()
        parser.read_config(str(configs[0]))
        parser["bundle_root"], parser["device"] = self.folder, torch.device(device)
        if missing := [name for name in ("network_def", "preprocessing", "inferer") if name not in parser]:
            raise InputError(f"{configs[0]} is expected to have {', '.join(missing)}, as segmentation bundles do.")
        parser.get_parsed_content("imports", default=None)
        self.network = parser.get_parsed_content("network_def").to(device).eval()
        load_weights(self.network, weights)
        self.prepare = Compose([each for each in _flat(parser, "preprocessing") if not isinstance(each, READING)])
        self.inferer = parser.get_parsed_content("inferer")
        self.sigmoid = "postprocessing" in parser and any(map(_has_sigmoid, _flat(parser, "postprocessing")))

    @torch.no_grad()
    def __call__(self, scan: MetaTensor) -> MetaTensor:
        """Segment.

        Args:
            scan: ``(1, *spatial)``, affine RAS.

        Returns:
            ``(L, *grid)``, on the grid of the bundle's preprocessing.

        Raises:
            InputError: if the bundle does not take such a scan.
        """
        try:
            image = self.prepare({"image": scan.clone()})["image"]
            batch = torch.as_tensor(image).as_subclass(Tensor)[None].to(self.device)
            logits = torch.as_tensor(self.inferer(batch, self.network)).as_subclass(Tensor)[0].float().cpu()
        except (KeyError, RuntimeError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise InputError(f"--segmenter {self.folder} does not take a scan of one channel: {first}") from error
        organs = logits.sigmoid() if self.sigmoid else logits.softmax(0)[1:]
        return MetaTensor(organs, affine=image.affine)


def _flat(parser: ConfigParser, name: str) -> list[Any]:
    built = parser.get_parsed_content(name)
    return list(built.flatten().transforms) if isinstance(built, Compose) else [built]


def _has_sigmoid(transform: Any) -> bool:
    if isinstance(transform, Activationsd):
        return any(transform.sigmoid)
    return isinstance(transform, Activations) and bool(transform.sigmoid)
