"""What a user did wrong is found among the errors that are wrapped around it."""

from itertools import pairwise

import pytest
import torch

from common.io import InputError, find_mistake


def chained(*errors: Exception) -> Exception:
    """The errors as raised one from the other, the first at the bottom."""
    for cause, error in pairwise(errors):
        error.__cause__ = cause
    return errors[-1]


@pytest.mark.parametrize(
    "mistake",
    [InputError("a.nii is constant."), FileNotFoundError("a.nii"), MemoryError(), torch.cuda.OutOfMemoryError("GPU")],
)
@pytest.mark.parametrize("wrappers", [0, 2])
def test_mistake_is_found_in_a_chain(mistake: Exception, wrappers: int) -> None:
    error = chained(KeyError("reader"), mistake, *[RuntimeError("applying transform") for _ in range(wrappers)])
    assert find_mistake(error) is mistake


def test_what_is_said_last_counts() -> None:
    assert (
        str(find_mistake(chained(FileNotFoundError("a.nii"), InputError("a.nii is no image.")))) == "a.nii is no image."
    )


@pytest.mark.parametrize("error", [ValueError("shape"), KeyError("a"), RuntimeError("no cause")])
def test_other_errors_are_none(error: Exception) -> None:
    assert find_mistake(chained(error, RuntimeError("applying transform"))) is None
