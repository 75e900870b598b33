"""What each of several processes validates."""

from collections import Counter

import pytest

from common.data import EqualShares


@pytest.mark.parametrize(
    ("cases", "processes", "times"), [(5, 1, 1), (5, 2, 1), (4, 4, 1), (1, 2, 2), (2, 3, 3), (10, 16, 8)]
)
def test_every_case_counts_equally_often(cases: int, processes: int, times: int) -> None:
    shares = [EqualShares(range(cases), processes, rank) for rank in range(processes)]
    counted = Counter(number for share in shares for number in share)
    assert counted == dict.fromkeys(range(cases), times)
    assert [len(share) for share in shares] == [len(list(share)) for share in shares]
    assert min(map(len, shares)) >= 1
