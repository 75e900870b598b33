"""How much an affine map changes volumes.

MONAI has no losses of matrices.
"""

from torch import Tensor, nn


class AffineDeterminant(nn.Module):
    r"""Mean over the batch of half the squared change of volume.

    .. math:: L = \frac{1}{2} (\det A - 1)^2

    Reference:
        Zhao et al., "Unsupervised 3D End-to-End Medical Image Registration With Volume Tweening Network", JBHI 2020,
        https://doi.org/10.1109/JBHI.2019.2951024 -- section III; the released code sums over the batch.
    """

    def forward(self, matrix: Tensor) -> Tensor:
        """Penalize.

        Args:
            matrix: A, `(B, d, d)`.

        Returns:
            Scalar.
        """
        return 0.5 * (matrix.det() - 1).square().mean()
