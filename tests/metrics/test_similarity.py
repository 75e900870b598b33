"""Normalized mutual information."""

import numpy as np
import pytest

from common.metrics import normalized_mutual_information, similarity


def noise(seed: int, shape: tuple[int, ...] = (20, 22, 24)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_normalized_mutual_information_of_itself_is_two() -> None:
    assert normalized_mutual_information(noise(0), noise(0)) == pytest.approx(2)


def test_normalized_mutual_information_of_two_values() -> None:
    # A and B are 0 and 1, joint probabilities 3/8, 1/8, 1/8, 3/8
    a, b = np.repeat([0, 0, 1, 1], [3, 1, 1, 3]), np.repeat([0, 1, 0, 1], [3, 1, 1, 3])
    joint = -(0.75 * np.log(0.375) + 0.25 * np.log(0.125))
    assert normalized_mutual_information(a, b, bins=2) == pytest.approx(2 * np.log(2) / joint)


def test_normalized_mutual_information_of_independent_images_is_about_one() -> None:
    assert normalized_mutual_information(noise(0), noise(1), bins=8) == pytest.approx(1, abs=0.01)


def test_normalized_mutual_information_ignores_contrast() -> None:
    a, b = noise(0), noise(0) + 0.2 * noise(1)
    plain = normalized_mutual_information(a, b)
    assert normalized_mutual_information(a, 7 - 3 * b) == pytest.approx(plain, rel=0.01)
    assert normalized_mutual_information(b, a) == pytest.approx(plain)


def test_normalized_mutual_information_falls_with_misalignment() -> None:
    image = np.cumsum(noise(0), axis=0)
    scores = [normalized_mutual_information(image, np.roll(image, shift, 0)) for shift in (0, 1, 3)]
    assert scores[0] > scores[1] > scores[2]


def test_normalized_mutual_information_is_the_same_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = noise(0), noise(0) + noise(1)
    whole = normalized_mutual_information(first, second)
    monkeypatch.setattr(similarity, "PORTION", 1000)
    assert normalized_mutual_information(first, second) == whole


def test_normalized_mutual_information_survives_an_outlier() -> None:
    a = noise(0)
    a[0, 0, 0] = 1e9
    assert normalized_mutual_information(a, noise(0)) > 1.8


def test_normalized_mutual_information_of_a_constant_is_nan() -> None:
    assert np.isnan(normalized_mutual_information(np.ones((4, 5)), noise(0, (4, 5))))
    assert np.isnan(normalized_mutual_information(np.zeros((0, 5)), np.zeros((0, 5))))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"second": np.zeros((3, 4))}, r"'second' of shape \(4, 3\), got \(3, 4\)"),
        ({"second": np.zeros((4, 3)), "bins": 1}, "'bins' of 2 or more, got 1"),
    ],
)
def test_normalized_mutual_information_rejects(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        normalized_mutual_information(np.zeros((4, 3)), **arguments)
