"""Parts of large tensors, so that what is done to one after the other on a CPU stays in its cache."""

from collections.abc import Iterator

from torch import Tensor

CACHED = 2**19  # numbers that a CPU works on at once: with more they come from memory time and again


def pieces(*tensors: Tensor, axis: int | None = None) -> Iterator[tuple[Tensor, ...]]:
    """Cut tensors of one shape into views of the same parts, small ones on a CPU; elsewhere there is one part.

    Args:
        tensors: the first one's memory format says how they are cut.
        axis: along which every part is whole.

    Yields:
        A view of each tensor.

    Example:
        >>> import torch
        >>> sum(part.numel() for part, in pieces(torch.zeros(2, 4, 64, 64, 64)))
        2097152
    """
    first = tensors[0]
    others = [each for each in range(first.ndim) if each != axis and first.shape[each] > 1]
    if first.numel() <= CACHED or not others or first.device.type != "cpu":
        yield tensors
        return
    outermost = max(others, key=first.stride)
    for halves in zip(*(tensor.chunk(2, outermost) for tensor in tensors), strict=True):
        yield from pieces(*halves, axis=axis)
