"""How far an affine map is from a turn or a reflection.

MONAI has no losses of matrices.
"""

import torch
from torch import Tensor, nn

EPSILON = 1e-5


class AffineOrthogonality(nn.Module):
    r"""Mean over the batch of what the squared singular values of a matrix and their inverses are above 1.

    .. math:: L = \operatorname{tr} C + (1 + \epsilon)^2 \operatorname{tr} C^{-1} - 2 d (1 + \epsilon), \quad
        C = A^T A + \epsilon I

    with 10^-5 as epsilon. It is 0 for orthogonal matrices; of eigenvalues only the sums are computed, so that the
    gradient is finite where they coincide.

    Reference:
        Zhao et al., "Unsupervised 3D End-to-End Medical Image Registration With Volume Tweening Network", JBHI 2020,
        https://doi.org/10.1109/JBHI.2019.2951024 -- section III; the released code sums over the batch.

    Example:
        >>> round(AffineOrthogonality()(torch.tensor([[[2.0, 0], [0, 1]]])).item(), 4)
        2.25
    """

    def forward(self, matrix: Tensor) -> Tensor:
        """Penalize.

        Args:
            matrix: A, `(B, d, d)`.

        Returns:
            Scalar, 0 or more up to rounding.
        """
        dims = matrix.shape[-1]
        squared = matrix.mT @ matrix + EPSILON * torch.eye(dims, dtype=matrix.dtype, device=matrix.device)
        traces = [each.diagonal(dim1=-2, dim2=-1).sum(-1) for each in (squared, torch.linalg.inv(squared))]
        return (traces[0] + (1 + EPSILON) ** 2 * traces[1] - 2 * dims * (1 + EPSILON)).mean()
