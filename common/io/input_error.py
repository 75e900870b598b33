"""Mistakes of a user: what is told in one sentence. All other errors are ours, and keep their traceback."""

import torch


class InputError(ValueError):
    """What a user gave (a file, an option, data) cannot be used; the message is a sentence that says what and why.

    Raised where that is known. A function on tensors that is called wrongly raises ValueError or TypeError: its caller
    is a program.
    """


MISTAKES = (InputError, OSError, MemoryError, torch.cuda.OutOfMemoryError)


def find_mistake(error: BaseException) -> BaseException | None:
    """The outermost mistake of a user in a chain of errors: MONAI and PyTorch wrap their own around it.

    Returns:
        None where there is none in it.
    """
    found: BaseException | None = error
    while found is not None and not isinstance(found, MISTAKES):
        found = found.__cause__
    return found
