import pytest
import torch
import torch.nn.functional as F

from common.optimization.rows import rows_of, slopes_at
from common.spatial import sample


@pytest.mark.parametrize("shape", [(5, 6, 7), (6, 5)])
def test_slopes_are_the_derivatives_of_linear_interpolation(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(4, *shape, generator=generator, dtype=torch.float64)
    last = torch.tensor(shape, dtype=torch.float64).view(-1, 1) - 1
    places = (torch.rand(len(shape), 50, generator=generator, dtype=torch.float64) * last).requires_grad_()
    padded = F.pad(image[None], (1, 1) * len(shape), mode="replicate")[0]
    with torch.no_grad():
        values, slopes = slopes_at(rows_of(padded), places, torch.Size(shape))
    expected = sample(image[None], places[None])[0]  # (C, n)
    torch.testing.assert_close(values.T, expected)
    for channel, row in enumerate(expected):
        (derivative,) = torch.autograd.grad(row.sum(), places, retain_graph=True)
        torch.testing.assert_close(slopes[..., channel], derivative)


def test_nothing_changes_beyond_the_grid() -> None:
    rows = rows_of(F.pad(torch.rand(1, 1, 4, 5), (1, 1, 1, 1), mode="replicate")[0])
    _, slopes = slopes_at(rows, torch.tensor([[-3.0], [2.5]]), torch.Size((4, 5)))
    assert slopes[0].abs().max() == 0
    assert slopes[1].abs().max() > 0
