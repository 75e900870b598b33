"""What a scan holds outside of what was scanned: padding of one value, which must not matter to a registration.

MONAI's `CropForeground` wants to be told what is foreground; here the border of the scan tells.
"""

import torch
from torch import Tensor

from .checks import check_image

BORDER_SHARE = 0.1  # of the voxels at the border that one value must hold to be padding
CONTACT = 0.1  # share of a face that what was scanned must fill to go on beyond it
FEWEST = 4  # planes that stay along each axis
BOUNDS = 0.005, 0.995  # quantiles of what was scanned
GAP = 0.75  # of the range between them, from which on a brighter value is padding and not saturation
MOST_VOXELS = 2**20  # that quantiles are taken of


def _frequent_at_border(volume: Tensor) -> list[float]:
    """Values that hold `BORDER_SHARE` of the voxels at the border, the most frequent one first."""
    faces = [volume.select(axis, index) for axis in range(volume.ndim) for index in (0, -1)]
    border = torch.cat([face.flatten() for face in faces])
    values, counts = border.unique(return_counts=True)
    often = counts >= BORDER_SHARE * len(border)
    order = counts[often].sort(descending=True, stable=True).indices
    return [float(value) for value in values[often][order]]


def content_box(image: Tensor) -> tuple[slice, ...]:
    """Find the box that holds what was scanned: the planes around it left out that are padding and nothing else.

    Padding are the values that hold `BORDER_SHARE` of the voxels at the border: there may be one around another.
    Where the scanned part goes on to the end of its box, as in a padded crop, the box ends with it, and nothing outside
    is known. Where it hardly touches that end, as a body in air does, one plane of padding stays: it is known what lies
    beyond.

    Args:
        image: `(1, 1, *spatial)`.

    Returns:
        One slice a spatial axis; the whole scan where it is not padded, or nearly nothing or one value would stay.

    Raises:
        TypeError: if the image is not a tensor.
        ValueError: if its shape is wrong.

    Example:
        >>> content_box(torch.nn.functional.pad(torch.rand(1, 1, 5, 6) + 1, (1, 2, 3, 0)))
        (slice(3, 8, None), slice(1, 7, None))
    """
    check_image("content_box", "image", image)
    whole = tuple(slice(0, size) for size in image.shape[2:])
    values = _frequent_at_border(image[0, 0])
    if not values:
        return whole
    other = ~torch.isin(image[0, 0], torch.tensor(values, dtype=image.dtype, device=image.device))
    rest = image[0, 0][other]
    if len(rest) == 0 or bool(rest.min() == rest.max()):  # such as of a mask: what surrounds it is all its contrast
        return whole
    box = [_extent(other.movedim(axis, 0)) for axis in range(other.ndim)]
    if any(part.stop - part.start < FEWEST for part in box):
        return whole
    inner = other[tuple(box)]
    return tuple(_loosen(part, inner.movedim(axis, 0), image.shape[2 + axis]) for axis, part in enumerate(box))


def _extent(other: Tensor) -> slice:
    """The planes of the first axis that are not all padding."""
    planes = other.flatten(1).any(dim=1).nonzero()[:, 0].tolist() or [-1]
    return slice(planes[0], planes[-1] + 1)


def _loosen(part: slice, inner: Tensor, size: int) -> slice:
    """One plane more on each side where what was scanned hardly touches the end of its box."""
    below, above = (int(inner[end].double().mean() < CONTACT) for end in (0, -1))
    return slice(max(part.start - below, 0), min(part.stop + above, size))


def level_padding(image: Tensor) -> Tensor:
    """Make padding that lies beyond all intensities of a scan as dark as the darkest of them, as air is.

    A padding of -32768 around a scan of -1000 to 2000 would leave no contrast to anything that looks at the range.
    Beside it there may be air of one value, as frequent at the border.

    Args:
        image: `(1, 1, *spatial)`, floating.

    Returns:
        The same, its padding at the lower quantile of what was scanned, `BOUNDS`, and everything clipped at the one
        beyond which the padding lies; the image itself where there is no such padding.

    Raises:
        TypeError: if the image is not a tensor.
        ValueError: if its shape is wrong.

    Example:
        >>> level_padding(torch.tensor([[[[-9.0, -9, -9, -9], [-9, 1, 2, -9], [-9, -9, -9, -9]]]])).unique().round()
        tensor([1., 2.])
    """
    check_image("level_padding", "image", image)
    for value in _frequent_at_border(image[0, 0]):
        image = _level(image, value)
    return image


def _level(image: Tensor, value: float) -> Tensor:
    scanned = image[image != value]
    if len(scanned) == 0:
        return image
    scanned = scanned[:: max(1, len(scanned) // MOST_VOXELS)]
    low, high = (float(scanned.kthvalue(1 + round(q * (len(scanned) - 1))).values) for q in BOUNDS)
    if low == high:  # one value, such as of a mask: what surrounds it is all its contrast
        return image
    if value < low:
        return image.clamp(min=low)
    return torch.where(image == value, low, image.clamp(max=high)) if value > high + GAP * (high - low) else image
