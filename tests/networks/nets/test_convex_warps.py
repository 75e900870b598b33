"""Small images are registered on finer grids than large ones."""

from common.networks.nets.convex_warps import choose_warps


def test_choose_warps_follows_the_size() -> None:
    fine, coarse = choose_warps((40, 50, 40)), choose_warps((192, 160, 256))
    assert fine[-1][0] == 1
    assert coarse[-1][0] == 2
    assert [stride for stride, _ in coarse] == sorted((stride for stride, _ in coarse), reverse=True)
