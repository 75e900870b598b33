"""Local normalized cross-correlation by window sums.

MONAI's loss of nearly this name computes its sums as convolutions, many times slower on a CPU, and is noise where both
images are constant, as scans are outside the body; here such windows count 0.
"""

from torch import Tensor, nn

from common.spatial import window_sum
from common.spatial.checks import check_same_space

EPSILON = 1e-5


class LocalNormalizedCrossCorrelation(nn.Module):
    r"""Negative squared correlation of the windows around every voxel.

    .. math:: L = -\frac{1}{|\Omega|} \sum_x \frac{C(x)^2}{V_w(x) V_f(x) + 10^{-5}}

    C is the covariance and V are the variances in the window, each times the number of its voxels.

    Args:
        window: side of the window, voxels, odd.

    Reference:
        Balakrishnan et al., "VoxelMorph: A Learning Framework for Deformable Medical Image Registration", TMI 2019,
        https://doi.org/10.1109/TMI.2019.2897538 -- equation (7).
    """

    def __init__(self, window: int = 9) -> None:
        super().__init__()
        self.window = window

    def forward(self, warped: Tensor, fixed: Tensor) -> Tensor:
        """Compare.

        Args:
            warped: warped moving image, `(B, C, *spatial)`, scaled to about [0, 1].
            fixed: the same shape.

        Returns:
            Scalar in [-1, 0]; -1 where the images agree up to brightness and contrast.

        Raises:
            ValueError: if the shapes differ.
        """
        check_same_space("LocalNormalizedCrossCorrelation", "warped", warped, fixed, fixed.shape[1])
        voxels = self.window ** (fixed.ndim - 2)
        f, w = fixed.float(), warped.float()
        sum_f, sum_w, sum_ff, sum_ww, sum_fw = (window_sum(t, self.window) for t in (f, w, f * f, w * w, f * w))
        covariance = sum_fw - sum_f * sum_w / voxels
        variances = (sum_ff - sum_f.square() / voxels) * (sum_ww - sum_w.square() / voxels)
        return -(covariance.square() / (variances + EPSILON)).mean()
