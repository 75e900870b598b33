"""The torso in Hounsfield units."""

import numpy as np

from common.phantoms import abdomen_phantom, torso_phantom
from common.phantoms.torso import LABEL_NAMES

SETTINGS = ((32, 28, 36), (9.0, 9.0, 9.0), 4.0, 2)


def test_tissues_are_those_of_ct_in_both_scans() -> None:
    pair = abdomen_phantom(*SETTINGS)
    numbers = {name: label for label, name in LABEL_NAMES.items()}
    for image, label in ((pair.fixed_image, pair.fixed_label), (pair.moving_image, pair.moving_label)):
        assert image.dtype == np.float32
        assert image.min() >= -1000
        medians = {name: np.median(image[label == numbers[name]]) for name in ("liver", "right lung", "spine")}
        assert 70 < medians["liver"] < 140
        assert medians["right lung"] < -500
        assert medians["spine"] > 130


def test_all_but_the_unit_is_of_the_torso() -> None:
    abdomen, torso = abdomen_phantom(*SETTINGS), torso_phantom(*SETTINGS)
    np.testing.assert_array_equal(abdomen.displacement, torso.displacement)
    np.testing.assert_array_equal(abdomen.moving_label, torso.moving_label)
    np.testing.assert_array_equal(abdomen.moving_affine, torso.moving_affine)
