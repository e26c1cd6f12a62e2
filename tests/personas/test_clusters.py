import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from shop_r1.personas.clusters import choose_groups, group, silhouette
from shop_r1.statistics.resampling import Floats


def blobs(sizes: tuple[int, ...], apart: float = 8.0, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return np.vstack([rng.normal(apart * place, 1.0, (size, 3)) for place, size in enumerate(sizes)])


def test_groups_that_lie_apart_are_found_the_largest_first() -> None:
    found = group(blobs((20, 50, 30)), 3)
    assert np.bincount(found.labels).tolist() == [50, 30, 20]
    assert [len(set(part)) for part in np.split(found.labels, [20, 70])] == [1, 1, 1]
    assert found.centers[0] == pytest.approx([8, 8, 8], abs=0.5)


def test_the_sum_of_squares_is_as_small_as_scikit_learn_s() -> None:
    values = blobs((40, 40, 40), apart=1.5, seed=3)
    found = group(values, 4)
    own = ((values - found.centers[found.labels]) ** 2).sum()
    other = KMeans(4, n_init=20, random_state=0).fit(values).inertia_
    assert own <= other * 1.01


def test_the_silhouette_is_scikit_learn_s() -> None:
    values = blobs((15, 25, 1), apart=2.0, seed=1)
    labels = np.repeat([0, 1, 2], [15, 25, 1])
    assert silhouette(values, labels) == pytest.approx(silhouette_score(values, labels))


def test_their_number_is_that_with_the_highest_silhouette() -> None:
    found, tried = choose_groups(blobs((20, 30, 25)), lambda _: True)
    assert found.count == 3 and set(tried) == set(range(2, 9))
    assert max(tried, key=lambda count: tried[count]) == 3 and tried[3] > 0.7
    large, _ = choose_groups(blobs((20, 30, 2)), lambda each: np.bincount(each.labels).min() >= 10)
    assert large.count == 2
    one, none = choose_groups(blobs((20,)), lambda _: False)
    assert one.count == 1 and one.silhouette is None and none == {}


def test_sessions_that_are_all_alike_are_one_group() -> None:
    found, _ = choose_groups(np.zeros((12, 0)), lambda _: True)
    assert found.count == 1 and found.labels.tolist() == [0] * 12
