"""What is published of the lung data sets with landmarks: sizes, spacings, and how far landmarks are apart at first.

Sources: R. Castillo et al., Phys Med Biol 2009, https://doi.org/10.1088/0031-9155/54/7/001 (DIR-Lab 4DCT); R. Castillo
et al., Phys Med Biol 2013, https://doi.org/10.1088/0031-9155/58/9/2861 (COPDgene); Vandemeulebroucke et al., Med Phys
2011 (POPI, CREATIS). Distances of the 4-D CT are those of Eppenhof et al., TMI 2020, table II; those of COPDgene are
what is reported of the 300 landmarks a pair that are shared, inhaled to exhaled.
"""

from typing import NamedTuple


class Published(NamedTuple):
    """One pair of a data set.

    Attributes:
        points: number of landmarks.
        distance_mm: between the landmarks of both scans before registration, on average.
        deviation_mm: of that distance; None where it is not known.
        shape: voxels of both scans; None where the files say so.
        spacing: mm, where the files do not say so.
    """

    points: int
    distance_mm: float
    deviation_mm: float | None = None
    shape: tuple[int, int, int] | None = None
    spacing: tuple[float, float, float] | None = None


def _dirlab(distance: float, deviation: float, side: int, slices: int, step: float) -> Published:
    return Published(300, distance, deviation, (side, side, slices), (step, step, 2.5))


DIRLAB = {
    1: _dirlab(3.89, 2.78, 256, 94, 0.97),
    2: _dirlab(4.34, 3.90, 256, 112, 1.16),
    3: _dirlab(6.94, 4.05, 256, 104, 1.15),
    4: _dirlab(9.83, 4.85, 256, 99, 1.13),
    5: _dirlab(7.48, 5.50, 256, 106, 1.10),
    6: _dirlab(10.89, 6.96, 512, 128, 0.97),
    7: _dirlab(11.03, 7.42, 512, 136, 0.97),
    8: _dirlab(14.99, 9.00, 512, 128, 0.97),
    9: _dirlab(7.92, 3.97, 512, 128, 0.97),
    10: _dirlab(7.30, 6.34, 512, 120, 0.97),
}


def _copdgene(distance: float, slices: int, step: float) -> Published:
    return Published(300, distance, None, (512, 512, slices), (step, step, 2.5))


COPDGENE = {
    1: _copdgene(26.33, 121, 0.625),
    2: _copdgene(21.79, 102, 0.645),
    3: _copdgene(12.64, 126, 0.652),
    4: _copdgene(29.58, 126, 0.590),
    5: _copdgene(30.08, 131, 0.647),
    6: _copdgene(28.46, 119, 0.633),
    7: _copdgene(21.60, 112, 0.625),
    8: _copdgene(26.46, 115, 0.586),
    9: _copdgene(14.86, 116, 0.664),
    10: _copdgene(21.81, 135, 0.742),
}
POPI = {1: Published(41, 6.29, 3.13)}
CREATIS = {
    1: Published(100, 5.75, 2.60),
    2: Published(100, 13.98, 7.18),
    3: Published(100, 7.69, 5.05),
    4: Published(100, 7.34, 4.89),
    5: Published(107, 7.13, 5.08),
    6: Published(113, 6.67, 3.68),
}
