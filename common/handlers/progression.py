"""Which levels of a growing network count, as a pure function of the step.

MONAI's `ParamSchedulerHandler` sets what it gives: `value_calculator` is this function, `parameter_setter` sets the
network's `alpha`; see `schedules` for the rest.
"""

from itertools import pairwise

from common.io import InputError


def progressive_levels(
    current_step: int, *, levels: int = 5, transition: int = 2000, duration: int = 6000
) -> tuple[float, ...]:
    r"""Give the weights of the levels, one level fading into the next.

    Level i has a trapezoid over `duration` steps from :math:`\tau_i` on, whose ramps are `transition` steps long:

    .. math:: \tau_i = -\Delta / 2 + (\Delta - \delta) i, \quad
        \alpha_i(t) = r_i(t) - r_{i+1}(t), \quad r_i(t) = \min(1, \max(0, (t - \tau_i) / \delta))

    with :math:`\Delta` the duration and :math:`\delta` the transition; :math:`r_0 = 1`, and the last level stays.

    Args:
        current_step: t, the iteration.
        levels: number of levels.
        transition: steps from one level to the next; 0 switches at once.
        duration: steps of a level, both its transitions included, so that no three levels count together; with 0 the
            last level counts from the start, as in the baseline.

    Returns:
        alpha, coarse to fine: they sum to 1, and two at most are not 0.

    Raises:
        InputError: if a number is negative, there is no level, or the duration is shorter than two transitions.

    Reference:
        Eppenhof et al., "Progressively trained convolutional neural networks for deformable image registration", TMI
        2020, https://doi.org/10.1109/TMI.2019.2953788 -- equation (2), figure 3 and table IV.

    Example:
        >>> [progressive_levels(step, levels=3, transition=2, duration=4) for step in range(5)]
        [(1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.0, 1.0, 0.0), (0.0, 0.5, 0.5), (0.0, 0.0, 1.0)]
    """
    if levels < 1 or transition < 0 or duration < 2 * transition:
        raise InputError(
            "progressive_levels() expects 'levels' of 1 or more and a 'duration' of two transitions or more, "
            f"got {levels}, {duration} and a 'transition' of {transition}."
        )
    starts = [(duration - transition) * level - duration / 2 for level in range(1, levels)]
    reached = [1.0, *(_ramp(current_step - start, transition) for start in starts), 0.0]
    if duration == 0:
        reached[1:-1] = [1.0] * (levels - 1)
    return tuple(here - beyond for here, beyond in pairwise(reached))


def _ramp(steps: float, over: int) -> float:
    """From 0 to 1 over some steps, or at once."""
    return min(max(steps / over, 0.0), 1.0) if over else float(steps >= 0)
