import numpy as np

from shop_r1.statistics.resampling import resample_clusters


def test_each_resample_holds_as_many_clusters_as_there_are_and_the_first_is_the_sample() -> None:
    found = resample_clusters(7, 50, seed=3)
    assert found.shape == (51, 7)
    assert (found.sum(axis=1) == 7).all() and (found[0] == 1).all()
    assert np.array_equal(found, resample_clusters(7, 50, seed=3))
    assert not np.array_equal(found, resample_clusters(7, 50, seed=4))
