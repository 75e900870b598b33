"""How a field stretches, shrinks and folds space.

MONAI has no Jacobian of a displacement field.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .checks import check_ddf
from .grid import slabs
from .precision import full_precision, lift


def jacobian_determinant(ddf: Tensor, crop: int = 2) -> Tensor:
    r"""Compute the Jacobian determinant of the transformation of a field.

    .. math:: J(x) = \det(I + \nabla u(x))

    Central differences; one-sided ones on the outermost voxels, which the default crop leaves out.

    Args:
        ddf: displacement, `(B, d, *spatial)`, voxels.
        crop: number of voxels left out on every side.

    Returns:
        Determinant, `(B, 1, *spatial)` less `2 * crop` along each axis, without unit, float32 or float64; not above 0
        where the field folds.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if its shape is wrong, or nothing is left after the crop.
    """
    check_ddf("jacobian_determinant", ddf)
    least = max(2 * crop + 1, 2)
    if crop < 0 or min(ddf.shape[2:]) < least:
        rule = f"of {least} or more voxels along each axis for crop={crop}"
        raise ValueError(f"jacobian_determinant() expects 'ddf' {rule}, got {tuple(ddf.shape)}.")
    first, *others = ddf.shape[2:]
    within = [slice(crop, n - crop) for n in others]
    parts = []
    with full_precision(ddf):
        for planes in slabs((first - 2 * crop, *others)):  # of a large field, the gradients take far more memory
            start, stop = planes.start + crop, planes.stop + crop
            below = max(start - 1, 0)
            part = lift(ddf[:, :, below : stop + 1])
            inside = (slice(start - below, stop - below), *within)
            columns = [_column(part, axis, inside) for axis in range(ddf.ndim - 2)]
            parts.append(determinant_of_columns(columns)[:, None])
    return torch.cat(parts, dim=2)


def folding_percent(determinant: Tensor, mask: Tensor | None = None) -> Tensor:
    """Percentage of voxels where the determinant is not above 0.

    Args:
        determinant: `(B, 1, *spatial)`, from `jacobian_determinant`.
        mask: voxels that count, bool of the same shape, such as those of the lungs; by default all.

    Returns:
        `(B,)`, percent; NaN where no voxel counts.

    Raises:
        ValueError: if it is no determinant, such as a field, or the mask has another shape.

    Example:
        >>> folding_percent(torch.tensor([[[1.0, -1.0, -1.0, 2.0]]]), torch.tensor([[[True, True, False, False]]]))
        tensor([50.])
    """
    _check_determinant("folding_percent", determinant)
    folded = determinant <= 0
    if mask is None:
        return 100 * folded.flatten(1).to(lift(determinant).dtype).mean(dim=1)
    if mask.shape != determinant.shape:
        raise ValueError(
            f"folding_percent() expects 'mask' of shape {tuple(determinant.shape)}, got {tuple(mask.shape)}."
        )
    return 100 * (folded & mask).flatten(1).sum(dim=1) / mask.flatten(1).sum(dim=1)


def sdlogj(determinant: Tensor, shift: float = 3.0) -> Tensor:
    r"""Standard deviation of the logarithm of the Jacobian determinant, a measure of roughness.

    .. math:: \mathrm{std}(\log(\mathrm{clip}(J + 3, 10^{-9}, 10^9)))

    The determinant is shifted by 3, as in the Learn2Reg challenge, so that folded voxels count with a finite value.

    Args:
        determinant: `(B, 1, *spatial)`, from `jacobian_determinant`.
        shift: 15 gives the figures of Estienne et al., which are several times smaller and cannot be compared with the
            challenge's.

    Returns:
        `(B,)`, without unit; unbiased over voxels.

    Raises:
        ValueError: if it is no determinant, such as a field.

    Reference:
        Hering et al., "Learn2Reg: Comprehensive Multi-Task Medical Image Registration Challenge", TMI 2022,
        https://doi.org/10.1109/TMI.2022.3213983.
    """
    _check_determinant("sdlogj", determinant)
    return (lift(determinant) + shift).clamp(1e-9, 1e9).log().flatten(1).std(dim=1)


def determinant_of_columns(columns: Sequence[Tensor]) -> Tensor:
    """Compute determinants of 2 x 2 or 3 x 3 matrices far quicker than `torch.linalg.det`.

    Args:
        columns: d tensors `(d, *shape)`, the columns of the matrices.

    Returns:
        `(*shape)`.
    """
    if len(columns) == 2:
        (a, c), (b, d) = columns
        return a * d - b * c
    (a, d, g), (b, e, h), (c, f, i) = columns
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _check_determinant(function: str, determinant: Tensor) -> None:
    if determinant.ndim < 3 or determinant.shape[1] != 1:
        raise ValueError(
            f"{function}() expects 'determinant' of shape (B, 1, *spatial), got {tuple(determinant.shape)}: "
            "of a displacement compute jacobian_determinant() first."
        )


def _column(ddf: Tensor, axis: int, inside: tuple[slice, ...]) -> Tensor:
    """Column of `I + grad u` that belongs to one axis, `(d, B, *inside)`."""
    along, whole = inside[axis], slice(None)
    across = tuple(whole if i == axis else s for i, s in enumerate(inside))
    slopes = torch.gradient(ddf[(whole, whole, *across)], dim=axis + 2)[0]
    slopes = slopes[(whole, whole, *(along if i == axis else whole for i in range(len(inside))))]
    unit = torch.eye(len(inside), dtype=ddf.dtype, device=ddf.device)[axis]
    return (slopes + unit.view(-1, *[1] * len(inside))).transpose(0, 1)
