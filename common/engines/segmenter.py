"""Labels for one scan from the weights of a segmentation network, on the scan's own grid.

MONAI's `Invertd` brings a label map back to the voxels of the scan with blocky edges; here each class's probability
comes back, and then the voxel decides.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Events
from monai.data import MetaTensor
from monai.engines import SupervisedTrainer
from monai.inferers import SlidingWindowInferer
from torch import Tensor

from common.io import InputError, fingerprint, grid_of, read_json, read_weights, save_text
from common.networks.nets import load_segmentation_unet
from common.spatial import sample
from common.transforms import CaseGrid, CaseGridd, NormalizeForeground, WindowsToChannels, keep_largest_component
from common.transforms.case_grid import Normalization

from .renamed import RENAMED

SETTINGS = "settings.json"
DEFAULTS: dict[str, Any] = {"windows": [[400, 40]], "spacing": [2.0, 2.0, 2.0], "spatial_size": [144, 144, 144]}
SLAB = 16  # voxels along the first axis that are decided at once


def segmenter_normalization(windows: Sequence[Sequence[float]] | None) -> Normalization:
    """Build what makes the intensities of a scan those a segmenter sees.

    Args:
        windows: of CT, each a channel, see `WindowsToChannels`; None for scans whose gray values have no unit, see
            `NormalizeForeground`.
    """
    return NormalizeForeground() if windows is None else WindowsToChannels(windows)


class SegmenterSettings:
    """Writes beside the weights what `Segmenter` needs to know of their training: a handler of MONAI's trainer.

    Its place is behind the handler of the checkpoints, which refuses to mix two trainings in a folder.

    Args:
        folder: of the weights.
        settings: see `Segmenter`.
    """

    def __init__(self, folder: str | Path, **settings: Any) -> None:
        self.path = Path(folder) / SETTINGS
        self.settings = settings

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self.start)

    def start(self, engine: SupervisedTrainer) -> None:
        """Write the file, once the checkpoint is loaded.

        Raises:
            InputError: if the training is resumed, and began with other settings.
            OSError: see `write`.
        """
        if engine.state.epoch and self.path.is_file():
            before = _read_settings(self.path)
            for name, value in json.loads(json.dumps(self.settings)).items():
                if before.get(name, value) != value:
                    raise InputError(
                        f"The training in {self.path.parent} began with {name} {before[name]}, got {value}: resume "
                        "with it, or begin in another --output_dir, from --initial_weights where wanted."
                    )
        self.write()

    def write(self) -> None:
        """Write the file.

        Raises:
            OSError: if it cannot be written.
        """
        save_text(self.path, json.dumps(self.settings, indent=2) + "\n")


class Segmenter:
    """Segments scans as the network was trained: orientation, voxel size, windows, patches.

    Args:
        checkpoint: weights of a `SegmentationUNet`, or a checkpoint of its training.
        device: where to compute.
        settings: `windows` (see `segmenter_normalization`), `spacing` (mm), `spatial_size` (of a patch) and `region`
            (see `CaseGrid`); None or absent ones are read from the settings beside the checkpoint, else they are the
            paper's.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it holds no such weights, a setting cannot be used, or the network takes another number of
            windows.
    """

    def __init__(self, checkpoint: str | Path, device: torch.device | str = "cpu", **settings: Any) -> None:
        path = Path(checkpoint)
        given = {name: value for name, value in settings.items() if value is not None}
        chosen = DEFAULTS | _read_settings(path.with_name(SETTINGS)) | given
        if isinstance(chosen["spacing"], int | float):  # one for all axes, as a training takes it
            chosen["spacing"] = [float(chosen["spacing"])] * 3
        self.net = load_segmentation_unet(read_weights(path)).to(device).eval()
        self.device = device
        self.provenance = {"weights": fingerprint(path), "settings": chosen}
        self.organ_count = self.net.head.out_channels - 1
        _check(chosen)
        windows = chosen["windows"]
        if (channels := 1 if windows is None else len(windows)) != self.net.in_channels:
            raise InputError(f"The network in {path} takes {self.net.in_channels} windows, got {channels}: {windows}.")
        normalization = segmenter_normalization(windows)
        region = chosen.get("region", "whole")
        grid = CaseGrid(chosen["spacing"], region=region, fill=0.0, normalization=normalization)
        self.prepare = CaseGridd("image", grid)
        self.inferer = SlidingWindowInferer(chosen["spatial_size"], mode="gaussian")

    @torch.no_grad()
    def __call__(self, scan: MetaTensor) -> MetaTensor:
        """Segment.

        Args:
            scan: `(1, H, W, D)`, as `common.transforms.read_scan` gives it.

        Returns:
            Label map of the same shape and grid, int32, each organ in one piece.
        """
        probability = self._classes(scan)
        coordinates = grid_of(scan).map_to(grid_of(probability).affine)
        label = _decide(probability.as_tensor()[None], coordinates)
        whole = torch.from_numpy(keep_largest_component(label.numpy()))[None]
        return MetaTensor(whole, affine=scan.affine, meta={"stored_dtype": str(np.min_scalar_type(self.organ_count))})

    @torch.no_grad()
    def probabilities(self, scan: MetaTensor) -> MetaTensor:
        """Give the probabilities of the organs, `(organs, *grid)`, on the network's own grid."""
        classes = self._classes(scan)
        return MetaTensor(classes.as_tensor()[1:], affine=classes.affine)

    def _classes(self, scan: MetaTensor) -> MetaTensor:
        image = self.prepare({"image": scan})["image"]
        logits = torch.as_tensor(self.inferer(image.as_tensor()[None].to(self.device), self.net))
        return MetaTensor(logits.float().softmax(dim=1)[0].cpu(), affine=image.affine)


def _decide(probability: Tensor, coordinates: Tensor) -> Tensor:
    """The likeliest class at voxel coordinates, `(*out)`, int32."""
    slabs = [sample(probability, part)[0].argmax(dim=0) for part in coordinates.split(SLAB, dim=2)]
    return torch.cat(slabs).int()


def _read_settings(path: Path) -> dict[str, Any]:
    settings: dict[str, Any] = read_json(path, dict) if path.is_file() else {}
    return {RENAMED.get(name, name): value for name, value in settings.items()}


def _check(settings: dict[str, Any]) -> None:
    """What a command line may give: lists of numbers or anything else."""
    shapes = {"windows": (-1, 2), "spacing": (3,), "spatial_size": (3,)}
    rules = {"windows": "[[width, level], ...]", "spacing": "three lengths in mm", "spatial_size": "three numbers"}
    for name, shape in shapes.items():
        if name == "windows" and settings[name] is None:
            continue
        try:
            values = np.asarray(settings[name], dtype=np.float64)
            sizes = values[:, 0] if name == "windows" else values
            fits = values.ndim == len(shape) and values.shape[-1] == shape[-1] and (sizes > 0).all()
        except (IndexError, TypeError, ValueError):
            fits = False
        if not fits:
            raise InputError(f"Segmenter() expects '{name}' to be {rules[name]}, got {settings[name]}.")


def merge_true_labels(predicted: MetaTensor, truth: Tensor) -> MetaTensor:
    """Replace predicted organs by true ones: labels that the true map holds are as there, voxel by voxel.

    Args:
        predicted: label map, `(1, *spatial)`.
        truth: label map of the same shape; 0 is unknown.

    Raises:
        ValueError: if the shapes differ.
    """
    true = torch.as_tensor(truth).as_subclass(Tensor).to(torch.int32)
    if true.shape != predicted.shape:
        got, expected = tuple(true.shape[1:]), tuple(predicted.shape[1:])
        raise ValueError(f"merge_true_labels() expects 'truth' of shape {expected} of its scan, got {got}.")
    known = torch.isin(predicted.as_tensor(), true.unique())
    merged = torch.where(true > 0, true, torch.where(known, 0, predicted.as_tensor()))
    meta = {"stored_dtype": str(np.min_scalar_type(max(int(merged.max()), 1)))}
    return MetaTensor(merged, affine=predicted.affine, meta=meta)
