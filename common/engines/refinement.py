"""Instance optimization on top of any learned bundle, by one switch: what lies between its network and its results."""

from collections.abc import Sequence
from pathlib import Path

import torch
from monai.config import KeysCollection
from monai.inferers import Inferer
from monai.transforms import Transform

from common.io import InputError
from common.networks.nets import InstanceOptimizationNet
from common.transforms import CaseGrid, NormalizePercentiles, PairGridd, RefineFieldd

from .bundle_segmenter import load_segmenter
from .registration_inputs import IMAGE_KEYS, guiding_steps

BYTES_PER_VOXEL = 600  # of `InstanceOptimizationNet`, measured: 380 to 575


def instance_optimization(
    iterations: int = 0,
    spacing: Sequence[float] | float | None = None,
    region: str = "foreground",
    regularization: float = 250.0,
    device: str | torch.device = "cpu",
    guide: str | Sequence[str] | None = None,
    guide_weight: float = 30.0,
    segmenter: str | Path | None = None,
    case_grid: CaseGrid | None = None,
    inferer: Inferer | None = None,
    image_keys: KeysCollection = IMAGE_KEYS,
) -> list[Transform]:
    """Build the steps that fit a network's field to its pair: descent at four, two and one times the voxels of a grid.

    Args:
        iterations: steps at each of the two coarser ones, and half as many at the finest; 0 for nothing to do.
        spacing: of that grid, see `common.transforms.CaseGrid`; scans are normalized by their percentiles.
        region: what it covers, see there.
        regularization: weight of the bending of the field, in voxels of that grid: a voxel of half the size needs four
            times the weight for a field as smooth.
        device: where to compute.
        guide: see `registration_preprocessing`.
        guide_weight: see there.
        segmenter: folder of a segmentation bundle whose organs steer, too, see `load_segmenter`.
        case_grid: another grid, with another normalization.
        inferer: asks the optimization, such as slice by slice.
        image_keys: the fixed and the moving scan, in this order.

    Returns:
        For `registration_postprocessing`.

    Raises:
        InputError: if something steers and nothing is optimized.
    """
    steering = guiding_steps(guide, load_segmenter(segmenter, device), guide_weight)
    if not iterations:
        if steering:
            raise InputError("What guides a network's answer guides its optimization: set --instance_iterations.")
        return []
    grid = case_grid or CaseGrid(spacing, region=region, normalization=NormalizePercentiles())
    needed = 0 if torch.device(device).type == "cuda" else BYTES_PER_VOXEL
    working_grid = [PairGridd(image_keys, grid, needed, bounded=True), *steering]
    refinements = ((4, iterations), (2, iterations), (1, iterations // 2))
    network = InstanceOptimizationNet(refinements=refinements, regularization=regularization)
    return [RefineFieldd(network, working_grid, device, inferer)]
