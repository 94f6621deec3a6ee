"""PCA without an engine: scikit-learn's own, on one machine."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from workloads.data import reading
from workloads.pca import gram
from workloads.programs import Connected


def fit(
    connected: Connected, *, data: Mapping[str, Any], components: int, chunk_rows: int
) -> list[dict[str, Any]]:
    """Fit scikit-learn's PCA with the solver that is its own choice for such data."""
    x, extra = reading.whole(connected.home, data)
    found = gram.trial(fit_rows(x, components))
    return [{**found, "extra": {**found["extra"], **extra}}]


def fit_rows(x: gram.Array, components: int) -> gram.Solved:
    """Return what scikit-learn finds."""
    from sklearn.decomposition import PCA

    model = PCA(components).fit(x)
    ratios = np.asarray(model.explained_variance_ratio_, dtype=np.float64)
    whole = float(model.explained_variance_[0] / ratios[0])
    return gram.Solved(ratios, np.asarray(model.components_), whole)


def warm_up(connected: Connected, *, data: Mapping[str, Any]) -> bool:
    """Load all that a first fit would have to load."""
    fit_rows(np.array(reading.few(connected.home, data)[:1000]), 1)
    return True
