"""K-Means without an engine: scikit-learn's own, on one machine."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from workloads.data import reading
from workloads.kmeans import lloyd
from workloads.programs import Connected


def fit(
    connected: Connected,
    *,
    data: Mapping[str, Any],
    clusters: int,
    iterations: int,
    seed: int,
    chunk_rows: int,
) -> list[dict[str, Any]]:
    """Fit scikit-learn's KMeans from the same centres as every other form."""
    x, extra = reading.whole(connected.home, data)
    return [trial(fit_rows(x, clusters, iterations, seed), len(x), extra)]


def fit_rows(x: lloyd.Array, clusters: int, iterations: int, seed: int) -> lloyd.Fit:
    """Return what scikit-learn finds."""
    from sklearn.cluster import KMeans

    begin = lloyd.start(x, clusters, seed).astype(x.dtype)
    model = KMeans(clusters, init=begin, n_init=1, max_iter=iterations, tol=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged is what was asked for
        model.fit(x)
    return lloyd.Fit(np.asarray(model.cluster_centers_), model.inertia_, model.n_iter_)


def trial(
    found: lloyd.Fit, rows: int, read: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return a fit as the result of its trial; the score is minus the mean squared distance."""
    extra = {"inertia": found.inertia, "iterations": found.iterations, **(read or {})}
    return {"scores": [-found.inertia / rows], "extra": extra}


def warm_up(connected: Connected, *, data: Mapping[str, Any]) -> bool:
    """Load all that a first fit would have to load."""
    x = reading.few(connected.home, data)
    fit_rows(np.array(x[:1000]), 2, 2, 0)
    return True
