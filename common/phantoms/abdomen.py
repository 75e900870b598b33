"""The torso as a CT scanner sees it: in Hounsfield units, alike in both scans."""

from dataclasses import replace

import numpy as np

from .torso import PhantomPair, torso_phantom

# Intensities of the torso, and what they are in HU: air, lung, fat, bowel, muscle, liver, vessels, kidney, aorta, bone
INTENSITIES = (0, 22, 75, 105, 145, 158, 170, 205, 222, 250, 290, 450)
HOUNSFIELD = (-1000, -850, -100, -60, 30, 50, 95, 115, 150, 180, 230, 700)


def abdomen_phantom(
    spatial_shape: tuple[int, int, int] = (96, 80, 112),
    spacing: tuple[float, float, float] = (3.2, 3.2, 3.2),
    maximum_displacement: float = 12.0,
    seed: int = 0,
) -> PhantomPair:
    """Make a pair of CT scans with known correspondence; arguments and errors are those of `torso_phantom`.

    Returns:
        The pair, in HU; the liver is at about 105.
    """
    pair = torso_phantom(spatial_shape, spacing, maximum_displacement, seed, altered=False)
    fixed, moving = (np.interp(each, INTENSITIES, HOUNSFIELD) for each in (pair.fixed_image, pair.moving_image))
    return replace(pair, fixed_image=fixed.astype(np.float32), moving_image=moving.astype(np.float32))
