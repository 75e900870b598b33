"""Instance optimization on top of any learned bundle, by one switch: what lies between its network and its results."""

from collections.abc import Callable, Sequence

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.transforms import Transform

from common.io import InputError
from common.networks.nets import InstanceOptimizationNet
from common.transforms import CaseGrid, NormalizePercentiles, PairGridd, RefineFieldd

from .registration_inputs import IMAGE_KEYS, guiding_steps

BYTES_PER_VOXEL = 600  # of `InstanceOptimizationNet`, measured: 380 to 575


def instance_optimization(
    iterations: int = 0,
    case_grid: CaseGrid | None = None,
    regularization: float = 250.0,
    device: str | torch.device = "cpu",
    guide: str | Sequence[str] | None = None,
    segment: Callable[[MetaTensor], MetaTensor] | None = None,
    guide_weight: float = 30.0,
    inferer: Inferer | None = None,
    image_keys: KeysCollection = IMAGE_KEYS,
) -> list[Transform]:
    """Build the steps that fit a network's field to its pair: descent at four, two and one times the voxels of a grid.

    Args:
        iterations: steps at each of the two coarser ones, and half as many at the finest; 0 for nothing to do.
        case_grid: the grid, and how scans are normalized there; without it, what was scanned, about as fine as it is.
        regularization: weight of the bending of the field, in voxels of that grid: a voxel of half the size needs four
            times the weight for a field as smooth.
        device: where to compute.
        guide: see `registration_preprocessing`.
        segment: see there.
        guide_weight: see there.
        inferer: asks the optimization, such as slice by slice.
        image_keys: the fixed and the moving scan, in this order.

    Returns:
        For `registration_postprocessing`.

    Raises:
        InputError: if something steers and nothing is optimized.
    """
    steering = guiding_steps(guide, segment, guide_weight)
    if not iterations:
        if steering:
            raise InputError("What guides a network's answer guides its optimization: set --instance_iterations.")
        return []
    grid = CaseGrid(normalization=NormalizePercentiles()) if case_grid is None else case_grid
    needed = 0 if torch.device(device).type == "cuda" else BYTES_PER_VOXEL
    working_grid = [PairGridd(image_keys, grid, needed, bounded=True), *steering]
    refinements = ((4, iterations), (2, iterations), (1, iterations // 2))
    network = InstanceOptimizationNet(refinements=refinements, regularization=regularization)
    return [RefineFieldd(network, working_grid, device, inferer)]
