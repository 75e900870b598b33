"""Correlation of two whole images.

MONAI's losses correlate windows; none takes the image as one.
"""

from torch import Tensor, nn

from common.spatial.checks import check_same_space

EPSILON = 1e-10


class NormalizedCrossCorrelation(nn.Module):
    r"""Negative normalized cross-correlation.

    .. math:: L = -\frac{\overline{(w - \bar w)(f - \bar f)}}{\sqrt{\sigma_w^2 \sigma_f^2 + 10^{-10}}}

    Args:
        batch: take all images of a batch as one, as the authors' later TorchIR does; by default each is compared on its
            own, and the correlations are averaged.

    Reference:
        de Vos et al., "End-to-end unsupervised deformable image registration with a convolutional neural network",
        DLMIA 2017, https://doi.org/10.1007/978-3-319-67558-9_24 -- section 2.

    Example:
        >>> import torch
        >>> image = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> round(float(NormalizedCrossCorrelation()(2 * image + 1, image)), 4)
        -1.0
    """

    def __init__(self, batch: bool = False) -> None:
        super().__init__()
        self.batch = batch

    def forward(self, warped: Tensor, fixed: Tensor) -> Tensor:
        """Compare.

        Args:
            warped: warped moving image, `(B, C, *spatial)`.
            fixed: the same shape.

        Returns:
            Scalar in [-1, 1]; -1 where the images agree up to brightness and contrast, 0 for a constant image.
            TorchIR's is (n - 1) / n of it, n being the number of voxels.

        Raises:
            ValueError: if the shapes differ.
        """
        check_same_space("NormalizedCrossCorrelation", "warped", warped, fixed, fixed.shape[1])
        images = [image.float().flatten(0 if self.batch else 1) for image in (warped, fixed)]
        w, f = (image - image.mean(-1, keepdim=True) for image in images)
        deviations = (w.square().mean(-1) * f.square().mean(-1) + EPSILON).sqrt()
        return -((w * f).mean(-1) / deviations).mean()
