import numpy as np

from common.data import lung_sets


def test_all_pairs_of_the_paper_are_there() -> None:
    """Table II: 17 pairs, 3661 landmarks, 8.37 mm apart on average over landmarks."""
    sets = (lung_sets.DIRLAB, lung_sets.CREATIS, lung_sets.POPI)
    pairs = [pair for each in sets for pair in each.values()]
    points = np.array([pair.points for pair in pairs])
    distances = np.array([pair.distance_mm for pair in pairs])
    assert (len(pairs), points.sum()) == (17, 3661)
    assert abs((points * distances).sum() / points.sum() - 8.37) < 0.02


def test_mean_of_copdgene_is_what_is_quoted() -> None:
    assert abs(np.mean([pair.distance_mm for pair in lung_sets.COPDGENE.values()]) - 23.36) < 0.01


def test_raw_volumes_have_a_size_and_a_spacing() -> None:
    for pair in (*lung_sets.DIRLAB.values(), *lung_sets.COPDGENE.values()):
        assert pair.shape is not None
        assert pair.spacing is not None
        extent = np.multiply(pair.shape, pair.spacing)
        assert 240 < extent[0] < 500
        assert 200 < extent[2] < 345
