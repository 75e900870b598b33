"""How far apart the MIND-SSC descriptors of two images are.

MONAI has no self-similarity descriptor, and so no loss of it.
"""

from torch import Tensor, nn

from common.features import mind_ssc


class MINDDistance(nn.Module):
    r"""Mean squared difference of the MIND-SSC descriptors of two images.

    .. math:: L = mean_{x, c} (D_c(\mathrm{prediction})(x) - D_c(\mathrm{target})(x))^2

    Args:
        radius: of the patches, voxels.
        dilation: distance of the neighbors, voxels.

    Reference:
        Heinrich et al., "Towards Realtime Multimodal Fusion for Image-Guided Interventions Using Self-Similarities",
        MICCAI 2013, https://doi.org/10.1007/978-3-642-40811-3_24

    Example:
        >>> import torch
        >>> image = torch.rand(1, 1, 6, 6, 6)
        >>> MINDDistance()(2 * image + 1, image) < 1e-6
        tensor(True)
    """

    def __init__(self, radius: int = 1, dilation: int = 2) -> None:
        super().__init__()
        self.radius = radius
        self.dilation = dilation

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare.

        Args:
            prediction: warped image, `(B, 1, *spatial)`.
            target: fixed image, likewise.

        Raises:
            TypeError: if one is not a tensor.
            ValueError: if a shape is wrong.
        """
        first, second = (mind_ssc(image, self.radius, self.dilation) for image in (prediction, target))
        return (first - second).square().mean()
