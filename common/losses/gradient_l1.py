"""How far spatial gradients are from those of the identity.

MONAI's smoothness losses take a displacement.
"""

from torch import Tensor, nn

IDENTITY = 0.5


class GradientL1(nn.Module):
    r"""Mean distance of spatial gradients from the identity's.

    .. math:: L = \frac{1}{d |\Omega|} \sum_{c, x} |g_c(x) - 0.5|

    Reference:
        Estienne et al., "Deep learning based registration using spatial gradients and noisy segmentation labels",
        Learn2Reg 2020, https://doi.org/10.1007/978-3-030-71827-5_11 -- section 2.1.
    """

    def forward(self, gradients: Tensor) -> Tensor:
        """Average.

        Args:
            gradients: `(B, d, *spatial)`, in (0, 1), see `common.spatial.integrate_gradients`.

        Returns:
            Scalar.
        """
        return (gradients - IDENTITY).abs().mean()
