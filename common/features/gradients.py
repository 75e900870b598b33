"""How steep an image is, at a scale.

MONAI's `SobelGradients` knows no scale and no boundary but zeros; `ndimage.gaussian_gradient_magnitude`, whose numbers
these are, knows no GPU and no batch.
"""

import torch
from torch import Tensor

from common.spatial.checks import check_image
from common.spatial.precision import full_precision, lift

from ._correlate import correlate

TRUNCATE = 4.0  # standard deviations at which the filter ends
HOUNSFIELD_RANGE = (-1000.0, 500.0)  # from air to bone: nothing beyond has a part in the lungs
HOUNSFIELD_UNIT = 200.0  # a voxel


def gradient_magnitude(
    image: Tensor,
    sigma: float = 0.5,
    intensity_range: tuple[float, float] | None = HOUNSFIELD_RANGE,
    unit: float = HOUNSFIELD_UNIT,
) -> Tensor:
    r"""Length of the gradient of the smoothed image.

    .. math:: g(x) = \frac{1}{s} \|\nabla (G_\sigma * I)(x)\|

    with I clipped first; s is `unit`. The paper states no scaling of its CT scans. By default their values are clipped
    from air to bone, so that neither metal nor the padding beyond the scanner's bore has a gradient of its own, and s
    is such that a chest of 128^3 voxels has magnitudes of 0 to 3 with a deviation of 0.4 to 0.5. The filters are
    sampled as SciPy's, which makes gradients 14 % too small at a sigma of 0.5.

    Args:
        image: I, `(B, C, *spatial)`, 2-D or 3-D, each channel on its own; as in a mirror beyond its border.
        sigma: of the Gaussian, voxels.
        intensity_range: what intensities are clipped to, in the unit of the image, by default Hounsfield; None for not.
        unit: s, gradient that gives 1, in units of the image a voxel.

    Returns:
        g, the same shape, float32 or float64.

    Raises:
        TypeError: if the image is not a tensor.
        ValueError: if its shape is wrong, or a number is not positive.

    Reference:
        Eppenhof et al., "Progressively trained convolutional neural networks for deformable image registration", TMI
        2020, https://doi.org/10.1109/TMI.2019.2953788 -- section III.

    Example:
        >>> ramp = torch.arange(6.0).expand(1, 1, 5, 6)
        >>> gradient_magnitude(ramp, 0.5, None, 1.0)[0, 0, 2].round(decimals=2)
        tensor([0.4300, 0.8600, 0.8600, 0.8600, 0.8600, 0.4300])
    """
    check_image("gradient_magnitude", "image", image)
    if not (sigma > 0 and unit > 0):
        raise ValueError(f"gradient_magnitude() expects 'sigma' and 'unit' above 0, got {sigma} and {unit}.")
    with full_precision(image):
        smooth = lift(image)
        if intensity_range is not None:
            smooth = smooth.clamp(*intensity_range)
        reach = int(TRUNCATE * sigma + 0.5)
        offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
        gaussian = torch.exp(-0.5 * (offsets / sigma) ** 2)
        gaussian = gaussian / gaussian.sum()
        derivative = gaussian * offsets / sigma**2
        slopes: list[Tensor] = []
        for axis in range(2, image.ndim):
            slopes = [correlate(slope, gaussian, axis) for slope in slopes] + [correlate(smooth, derivative, axis)]
            smooth = correlate(smooth, gaussian, axis)
        squared = torch.zeros_like(smooth)
        for slope in slopes:
            squared = torch.addcmul(squared, slope, slope)
        return squared.sqrt() / unit
