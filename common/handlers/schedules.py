"""Schedules: values as pure functions of the step, so that a resumed run takes the values of an uninterrupted one.

In a config a schedule is a `_target_` with `"_mode_": "callable"` and everything but the step. MONAI's
`ParamSchedulerHandler` takes it as `value_calculator`, with `"vc_kwargs": {}` and `"event": "ITERATION_STARTED"`, or
`"event": "EPOCH_STARTED"` with `"epoch_level": true`. Without `event` it comes after the iteration, and the first one,
of a resumed run too, has the value of the constructor. Epochs and iterations count from 1. The step is called
`current_step` because that handler calls it so. torch's `LambdaLR` takes a schedule as a factor of the learning rate,
and `Curriculum` as the value of a curriculum; there steps count from 0.

The schedules inside MONAI's handler cannot be used with `LambdaLR` and know neither cosine nor warm-up.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from numbers import Real

from common.io import InputError


def constant(current_step: int, *, value: float) -> float:
    """Give the same value at every step.

    Example:
        >>> constant(7, value=0.5)
        0.5
    """
    return value


def linear(current_step: int, *, start: float, end: float, over: int, hold: int = 0) -> float:
    """Go from one value to another in equal steps.

    Args:
        current_step: from 0 on.
        start: value up to step `hold`.
        end: value from step `hold + over` on.
        over: number of steps from the one to the other.
        hold: number of steps to wait.

    Raises:
        InputError: if `over` is not positive, or something is no number.

    Example:
        >>> [linear(step, start=1.0, end=0.0, over=4, hold=1) for step in range(7)]
        [1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    _check_numbers("linear", start=start, end=end, over=over, hold=hold)
    _check_over("linear", over)
    share = min(max(current_step - hold, 0), over) / over
    return start * (1 - share) + end * share


def cosine(current_step: int, *, start: float, end: float, over: int, warmup: int = 0) -> float:
    r"""Go from one value to another along half a cosine, after a linear warm-up.

    .. math:: v(s) = e + (a - e) (1 + \cos(\pi (s - w) / (n - w))) / 2

    a is `start`, e is `end`, n is `over`, w is `warmup`; before step w it is :math:`a (s + 1) / (w + 1)`.

    Args:
        current_step: from 0 on.
        start: value after the warm-up.
        end: value from step `over` on.
        over: number of steps in all, the warm-up included.
        warmup: number of steps of the warm-up.

    Raises:
        InputError: if nothing is left of `over` after the warm-up, or something is no number.

    Reference:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017,
        https://arxiv.org/abs/1608.03983 -- equation (5).

    Example:
        >>> [round(cosine(step, start=1.0, end=0.0, over=5, warmup=1), 3) for step in range(7)]
        [0.5, 1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    _check_numbers("cosine", start=start, end=end, over=over, warmup=warmup)
    _check_over("cosine", over - warmup)
    if current_step < warmup:
        return start * (current_step + 1) / (warmup + 1)
    share = min(current_step - warmup, over - warmup) / (over - warmup)
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def exponential(current_step: int, *, start: float, end: float, over: int) -> float:
    """Go from one value to another by equal factors.

    Args:
        current_step: from 0 on.
        start: value at step 0, positive.
        end: value from step `over` on, positive.
        over: number of steps from the one to the other.

    Raises:
        InputError: if `over` or a value is not positive, or something is no number.

    Example:
        >>> [round(exponential(step, start=1.0, end=0.01, over=2), 6) for step in range(4)]
        [1.0, 0.1, 0.01, 0.01]
    """
    _check_numbers("exponential", start=start, end=end, over=over)
    _check_over("exponential", over)
    if start <= 0 or end <= 0:
        raise InputError(f"exponential() expects 'start' and 'end' to be positive, got {start} and {end}.")
    share = min(max(current_step, 0), over) / over
    return float(start ** (1 - share) * end**share)


def approach(current_step: int, *, start: float, end: float, rate: float) -> float:
    r"""Go from one value towards another, by an equal share of what is left at every step.

    .. math:: v(s) = e + (a - e) e^{-\gamma s}

    From 0 to 1 - p it is the dropout rate of Morerio et al., whose share p of what is kept decays from 1.

    Args:
        current_step: s, from 0 on.
        start: a, value at step 0.
        end: e, value that is never quite reached.
        rate: gamma, positive.

    Raises:
        InputError: if the rate is not positive, or something is no number.

    Reference:
        Morerio et al., "Curriculum dropout", ICCV 2017, https://arxiv.org/abs/1703.06229.

    Example:
        >>> [round(approach(step, start=0.0, end=0.5, rate=0.001), 3) for step in (0, 1000, 10000)]
        [0.0, 0.316, 0.5]
    """
    _check_numbers("approach", start=start, end=end, rate=rate)
    if rate <= 0:
        raise InputError(f"approach() expects 'rate' to be positive, got {rate}.")
    return end + (start - end) * math.exp(-rate * max(current_step, 0))


def stepwise(current_step: int, *, values: Sequence[float], milestones: Sequence[int]) -> float:
    """Give one value after the other.

    Args:
        current_step: from 0 on.
        values: one more than milestones.
        milestones: first steps of the second and further values, ascending.

    Raises:
        InputError: if the numbers do not match or the milestones do not ascend.

    Example:
        >>> [stepwise(step, values=[1.0, 0.5, 0.1], milestones=[2, 3]) for step in range(5)]
        [1.0, 1.0, 0.5, 0.1, 0.1]
    """
    if len(values) != len(milestones) + 1:
        raise InputError(
            f"stepwise() expects one more of 'values' than of 'milestones', got {len(values)} and {len(milestones)}."
        )
    if sorted(set(milestones)) != list(milestones):
        raise InputError(f"stepwise() expects 'milestones' to ascend, got {list(milestones)}.")
    return values[bisect_right(milestones, current_step)]


def _check_numbers(function: str, **values: float) -> None:
    for name, value in values.items():
        if not isinstance(value, Real):  # the command line hands over text
            raise InputError(f"{function}() expects '{name}' to be a number, got {value}.")


def _check_over(function: str, steps: int) -> None:
    if steps <= 0:
        raise InputError(f"{function}() expects 'over' to leave at least one step, got {steps}.")
