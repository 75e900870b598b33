"""How far two clouds are apart when nothing is known of them but where their points lie."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from common.spatial import nearest_points


class CloudDistance(nn.Module):
    r"""Chamfer distance of the displaced fixed cloud p + u from the moving cloud q, and the Laplacian of u.

    .. math:: \frac{1}{N} \sum_i \min_j |p_i + u_i - q_j|^2 + \frac{1}{M} \sum_j \min_i |p_i + u_i - q_j|^2
              + \frac{\lambda}{N} \sum_i \Big| u_i - \frac{1}{k} \sum_{j \in N(i)} u_j \Big|^2

    Args:
        smoothness: lambda.
        neighbors: k, nearest other points of a fixed one.

    Reference:
        Wu et al., "PointPWC-Net", ECCV 2020, https://doi.org/10.1007/978-3-030-58558-7_6 -- section 4, of whose terms
        Bigalke et al., MICCAI 2023, name the Chamfer distance and Laplacian smoothness.

    Example:
        >>> import torch
        >>> clouds = torch.tensor([[[0.0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [1, 0, 1, 1]]])
        >>> CloudDistance(neighbors=1)(torch.zeros(1, 2, 3), {"image": clouds})
        tensor(2.)
    """

    def __init__(self, smoothness: float = 1.0, neighbors: int = 10) -> None:
        super().__init__()
        self.smoothness = smoothness
        self.neighbors = neighbors

    def forward(self, prediction: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """Compute.

        Args:
            prediction: u, `(B, N, 3)`.
            batch: with the clouds, ``image``, see `common.networks.nets.PointRegistrationNet`.

        Returns:
            Scalar, the square of the frame's unit.
        """
        count = prediction.shape[1]
        clouds = batch["image"][..., :3]
        pairs = zip(clouds[:, :count], clouds[:, count:], prediction, strict=True)
        values = [self._of_pair(*pair) for pair in pairs]
        return sum(values[1:], values[0]) / len(values)

    def _of_pair(self, fixed: Tensor, moving: Tensor, displacement: Tensor) -> Tensor:
        displaced = fixed + displacement
        there = displaced - moving[nearest_points(displaced, moving, 1)[:, 0]]
        back = displaced[nearest_points(moving, displaced, 1)[:, 0]] - moving
        around = nearest_points(fixed, fixed, min(self.neighbors + 1, len(fixed)))[:, 1:]
        bent = displacement - displacement[around].mean(1)
        terms = [rows.square().sum(1).mean() for rows in (there, back, bent)]
        return terms[0] + terms[1] + self.smoothness * terms[2]
