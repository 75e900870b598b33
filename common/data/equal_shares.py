"""What each of several processes validates, so that means over all of them are those of one.

MONAI's `DistributedSampler` needs a case for every process, or repeats some and not others.
"""

import math
from collections.abc import Iterator, Sized

from torch import distributed
from torch.utils.data import Sampler


class EqualShares(Sampler[int]):
    """Numbers of the cases of a process: all of them once, or of fewer cases than processes each equally often.

    Args:
        dataset: the cases.
        processes: how many share them; by default those of the run.
        rank: number of this one, from 0; by default its own.
    """

    def __init__(self, dataset: Sized, processes: int | None = None, rank: int | None = None) -> None:
        self.count = len(dataset)
        self.processes = distributed.get_world_size() if processes is None else processes
        self.rank = distributed.get_rank() if rank is None else rank
        self.total = self.count if self.count >= self.processes else math.lcm(self.count, self.processes)

    def __iter__(self) -> Iterator[int]:
        """Give the numbers."""
        return (number % self.count for number in range(self.rank, self.total, self.processes))

    def __len__(self) -> int:
        """How many there are for this process."""
        return len(range(self.rank, self.total, self.processes))
