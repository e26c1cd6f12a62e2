"""The bootstrap over clusters: whole clusters are drawn, since what is within one is not independent."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def resample_clusters(clusters: int, resamples: int, seed: int) -> Floats:
    """Return (1 + resamples, clusters): how often each cluster is drawn; row 0 is the sample itself."""
    drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    return np.vstack([np.ones((1, clusters)), drawn])
