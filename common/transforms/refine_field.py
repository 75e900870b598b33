"""The field of a network, fitted to its pair by instance optimization on a grid of its own.

A network works at the spacing it was trained at; what its field is fitted to may be finer, and normalized otherwise.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer, SimpleInferer
from monai.transforms import Transform
from torch import Tensor, nn

from common.io import grid_of
from common.optimization import UNGUIDED, Guidance
from common.spatial import displacement_from_world, displacement_to_world

from .guide_pair import guidance_of
from .native_field import native_displacement


class RefineFieldd(Transform):
    """Fit the field of a network to its pair.

    Args:
        network: registers a pair from a given field, see `common.networks.nets.InstanceOptimizationNet`.
        working_grid: from the scans of a pair to ``image`` on the grid of the optimization, and to what guides that,
            such as `PairGridd` and `GuidePaird`.
        device: where to compute.
        inferer: asks the network; by default once.

    What the network has answered, ``pred``, ``(d, *working)``, working voxels, and ``image``, which holds the working
    grid, stay. Adds ``refinement``, what the optimization adds to the network's field, ``(d, *grid)``, LPS mm,
    MetaTensor with the affine of its grid, see `NativeFieldd`: beyond that grid, it goes on as at its border.
    """

    def __init__(
        self,
        network: nn.Module,
        working_grid: Sequence[Callable],
        device: str | torch.device = "cpu",
        inferer: Inferer | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device).eval()
        self.working_grid = tuple(working_grid)
        self.inferer = SimpleInferer() if inferer is None else inferer

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Bring pair and field onto the grid, and refine."""
        placed = dict(data)
        for step in self.working_grid:
            placed = step(placed)
        coarse, fine = grid_of(data["image"]), grid_of(placed["image"])
        answer = torch.as_tensor(data["pred"]).as_subclass(Tensor).detach().cpu()[None]
        begun = displacement_from_world(
            native_displacement(answer, coarse, fine, torch.eye(len(coarse.affine), dtype=torch.float64)), fine.affine
        )
        image = placed["image"].as_tensor()[None]
        channels = image.shape[1]

        def refine(inputs: Tensor, guidance: Guidance = UNGUIDED) -> Tensor:
            """Of slices, the network is given the two components that lie in them."""
            end = channels + inputs.ndim - 2
            return self.network(inputs[:, :channels], guidance, inputs[:, channels:end])

        inputs = torch.cat([image, begun.to(image)], dim=1).to(self.device)
        refined = self.inferer(inputs, refine, guidance=guidance_of(placed, self.device)).cpu()
        added = displacement_to_world(refined - begun, fine.affine)[0]
        return {**placed, "image": data["image"], "refinement": MetaTensor(added, affine=fine.affine_3d())}
