import numpy as np
import pytest

from common.transforms import keep_largest_component


def test_keep_largest_component_of_each_label() -> None:
    label = np.zeros((8, 8, 8), dtype=np.uint8)
    label[:2, :2, :2] = 1
    label[6, 6, 6] = 1
    label[4:6, 4:6, :3] = 3
    label[0, 7, 7] = 3
    expected = label.copy()
    expected[6, 6, 6] = expected[0, 7, 7] = 0
    np.testing.assert_array_equal(keep_largest_component(label), expected)
    assert keep_largest_component(label).dtype == np.uint8


def test_corners_connect() -> None:
    label = np.zeros((4, 4), dtype=np.int32)
    label[0, 0] = label[1, 1] = label[2, 2] = label[0, 3] = 2
    expected = label.copy()
    expected[0, 3] = 0
    np.testing.assert_array_equal(keep_largest_component(label), expected)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5)])
def test_background_stays(shape: tuple[int, ...]) -> None:
    assert keep_largest_component(np.zeros(shape, dtype=np.int32)).sum() == 0
