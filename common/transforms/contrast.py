"""Random contrasts: what is bright and what is dark is drawn anew, where things lie stays.

MONAI's `RandHistogramShift` keeps what is brighter brighter, and draws one curve for a whole batch.
"""

import torch
from torch import Tensor

KNOTS = 6  # gray values between which a curve is straight


def random_contrast(images: Tensor, strength: float, generator: torch.Generator | None = None) -> Tensor:
    r"""Put each image through a random curve of its gray values.

    .. math:: y = (1 - a) x + a f(x), \quad a \sim U(0, s)

    with x between 0 (the darkest voxel) and 1 (the brightest), and f straight between values at 0, 0.2, ..., 1 that are
    uniform between 0 and 1: it may fall, or make two tissues alike. The range of the image stays as it was.

    Args:
        images: ``(B, C, *spatial)``.
        strength: s, from 0 (nothing changes) to 1.
        generator: source of randomness, torch's own by default; on the CPU.

    Returns:
        Images of the same shape.

    Raises:
        ValueError: if the strength is not between 0 and 1.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"random_contrast() expects 'strength' from 0 to 1, got {strength}.")
    if not strength:
        return images
    count = len(images)
    drawn = torch.rand(count, KNOTS + 1, generator=generator).to(images)
    share = strength * drawn[:, :1]
    curve = (1 - share) * torch.linspace(0, 1, KNOTS).to(images) + share * drawn[:, 1:]
    low, high = curve.amin(1, keepdim=True), curve.amax(1, keepdim=True)
    curve = (curve - low) / (high - low)
    flat = images.flatten(1)
    least, most = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    extent = (most - least).clamp(min=torch.finfo(flat.dtype).tiny)
    places = (flat - least) / extent * (KNOTS - 1)
    knot = places.floor().clamp(max=KNOTS - 2)
    below, above = (curve.gather(1, knot.long() + step) for step in (0, 1))
    return (least + (below + (above - below) * (places - knot)) * (most - least)).view_as(images)
