import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.optimization.rows import corner, corner_rows, corner_slopes, corner_weights, is_near, rows_of
from common.spatial import sample


def looked_up(image: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Values `(C, n)` of an image `(C, *spatial)` at some places, and their slopes, `(d, C, n)`."""
    shape = image.shape[1:]
    rows = rows_of(F.pad(image[None], (1, 1) * len(shape), mode="replicate")[0])
    first, fraction = corner(places, shape)
    corners = rows[corner_rows(first, shape)]  # (n, 2 ** d, C)
    values, slopes = corner_slopes(corners.movedim(1, 0), fraction[..., None])
    torch.testing.assert_close((corners * corner_weights(fraction)[..., None]).sum(1), values)
    return values.T, (slopes * is_near(places, shape)[..., None]).mT


@pytest.mark.parametrize("shape", [(5, 6, 7), (6, 5)])
def test_slopes_are_the_derivatives_of_linear_interpolation(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(4, *shape, generator=generator, dtype=torch.float64)
    last = torch.tensor(shape, dtype=torch.float64).view(-1, 1) - 1
    places = (torch.rand(len(shape), 50, generator=generator, dtype=torch.float64) * last).requires_grad_()
    values, slopes = looked_up(image, places.detach())
    expected = sample(image[None], places[None])[0]  # (C, n)
    torch.testing.assert_close(values, expected)
    for channel, row in enumerate(expected):
        (derivative,) = torch.autograd.grad(row.sum(), places, retain_graph=True)
        torch.testing.assert_close(slopes[:, channel], derivative)


def test_nothing_changes_beyond_the_grid() -> None:
    _, slopes = looked_up(torch.rand(1, 4, 5), torch.tensor([[-3.0], [2.5]]))
    assert slopes[0].abs().max() == 0
    assert slopes[1].abs().max() > 0
