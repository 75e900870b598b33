from collections.abc import Callable

import numpy as np
import pytest
import torch

from common.spatial import RandomSpline, approximating_spline, compose_splines, identity_grid, jacobian_determinant

LEARNED = (RandomSpline(8, 0.025), RandomSpline(4, (0.025, 0.05, 0.1)))  # Table I of the paper, the first acts first


def test_approximating_spline_is_the_free_form_of_the_released_code(oracle: Callable) -> None:
    """It takes the first two axes of the control points in the other order, which no random draw can tell."""
    recorded = oracle("000_vtn_ops")
    control = torch.from_numpy(recorded["control"]).movedim(-1, 1).transpose(2, 3)
    field = approximating_spline(control, (16, 16, 16)).on_grid((16, 16, 16))
    np.testing.assert_allclose(field.movedim(1, -1), recorded["free_form_16"], atol=1e-5)


@pytest.mark.parametrize("interpolating", [True, False])
def test_draw_has_the_range_of_its_settings(interpolating: bool) -> None:
    spline = RandomSpline((3, 40), (0.1, 0.2), interpolating)
    field = spline.draw((20, 30), batch=4)
    assert field.coefficients.shape == (4, 2, 3, 40)
    if interpolating:
        steps = torch.cartesian_prod(torch.arange(3) * field.spacing[0], torch.arange(40) * field.spacing[1])
        values = field.at(steps.T.expand(4, 2, -1))
    else:
        values = field.coefficients.flatten(2)
    largest = values.abs().amax(dim=(0, 2))
    assert bool((largest <= torch.tensor([2.0, 6.0]) + 1e-4).all())
    assert bool((largest > torch.tensor([1.9, 5.7])).all())
    assert values.mean().abs() < 0.2


def test_power_makes_most_displacements_small() -> None:
    plain, cubed = (RandomSpline(20, 1, False, q).draw((9, 9)).coefficients.abs() for q in (1, 3))
    assert cubed.median() < 0.4 * plain.median()
    assert cubed.max() > 8


def test_draw_depends_on_the_generator_alone() -> None:
    spline = RandomSpline(4, 0.1)
    one, same, other = (spline.draw((8, 8), generator=torch.Generator().manual_seed(s)).coefficients for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_deformation_of_the_paper_does_not_fold() -> None:
    """Nor did twelve draws of the published generator, which moved 6.6, 9.7, 17.1 of 128 voxels at most, on average."""
    shape, generator = (48, 48, 48), torch.Generator().manual_seed(0)
    fields = [spline.draw(shape, 12, generator) for spline in LEARNED]
    ddf = compose_splines(fields, shape) - identity_grid(shape)
    assert jacobian_determinant(ddf).min() > 0
    largest = ddf.abs().amax(dim=(2, 3, 4)).mean(0) * 128 / 48
    np.testing.assert_allclose(largest, [6.6, 9.7, 17.1], rtol=0.15)


def test_wrong_arguments_raise() -> None:
    with pytest.raises(ValueError, match="'spatial_shape' of 2 positive integers"):
        RandomSpline((3, 3, 3), 0.1).draw((8, 8))
    with pytest.raises(ValueError, match=r"expects 2 numbers as 'amplitude' and an odd 'power', got \[0.1\] and 1"):
        RandomSpline(3, [0.1]).draw((8, 8))
    with pytest.raises(ValueError, match=r"an odd 'power', got 0.1 and 2"):
        RandomSpline(3, 0.1, power=2).draw((8, 8))
    with pytest.raises(ValueError, match=r"expects 'batch' of 1 or more, got 0"):
        RandomSpline(3, 0.1).draw((8, 8), batch=0)
    with pytest.raises(ValueError, match="expects 'control_points' of two or more along each axis"):
        approximating_spline(torch.zeros(1, 2, 1, 3), (8, 8))
