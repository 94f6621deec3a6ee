"""One K-Means on a cluster's head, ours or dask-ml's; sent as text to Python there.

    python - TASK < bench/kmeans_form.py

Prints JSON: wall seconds of the fit, after connecting and a warm-up of the workers, CPU seconds
of workers and client, and what was found.
"""

import json
import os
import sys
import time
from importlib import metadata

WARM_ROWS = 10_000


def main():
    from workloads.engines.program_process import connection
    from workloads.engines.unit_process import find

    task = json.loads(sys.argv[1])
    connected, spent = connection(json.dumps(task["place"], sort_keys=True))
    form = task["form"]
    ours = "workloads.kmeans." + form
    if form == "dask-ml":
        ours = "workloads.kmeans.on_dask"
    find(f"{ours}:warm_up")(connected, data=task["given"]["data"])
    if form == "dask-ml":  # it compiles and imports in every worker, which ours did just now
        dask_ml(connected, **{**task["given"], "iterations": 1}, limit=WARM_ROWS)
    fit = dask_ml if form == "dask-ml" else find(f"{ours}:fit")
    begin, cpu = time.monotonic(), spent() + time.process_time()
    (found,) = fit(connected, **task["given"])
    took = time.monotonic() - begin, spent() + time.process_time() - cpu
    record = {
        "wall_seconds": took[0],
        "cpu_seconds": took[1],
        "score": score(connected, task["given"]["data"], found),
        "iterations": found["extra"]["iterations"],
        "versions": versions(),
    }
    print(json.dumps(record), flush=True)
    os._exit(0)  # an engine's library may wait at exit for a peer that is gone


def dask_ml(connected, *, data, clusters, iterations, seed, chunk_rows, limit=None):
    """dask-ml's user guide, 'Clustering': a Dask array of chunks, kept in the workers.

    It begins with the same centres as ours. Each chunk is read from the copy of the node that
    its worker is on, so nothing is sent there either.
    """
    import dask.array
    from dask import delayed
    from dask_ml.cluster import KMeans

    from workloads.data.chunks import chunks, rows_of
    from workloads.data.datasets import Data
    from workloads.kmeans import lloyd

    x = rows_of(connected.home, Data(**data))[:limit]
    home = connected.home

    def read(first, last):
        import numpy

        from workloads.data import datasets

        return numpy.array(datasets.load(home, datasets.Data(**data))[0][first:last])

    rows = -(-len(x) // (connected.slots * 4))  # a few chunks a worker, as its guide asks for
    pieces = [
        dask.array.from_delayed(
            delayed(read)(first, last), shape=(last - first, x.shape[1]), dtype=x.dtype
        )
        for first, last in chunks(len(x), rows)
    ]
    begin = lloyd.start(x, clusters, seed).astype(x.dtype)
    model = KMeans(n_clusters=clusters, init=begin, max_iter=iterations, tol=0.0)
    model.fit(dask.array.concatenate(pieces))
    return [{"centres": model.cluster_centers_, "extra": {"iterations": int(model.n_iter_)}}]


def score(connected, data, found):
    """Return minus the mean squared distance of rows to the nearest centre.

    dask-ml's own `inertia_` adds up the distances, not their squares, so that it is not used.
    """
    if "scores" in found:
        return found["scores"][0]
    from sklearn.metrics import pairwise_distances_argmin_min

    from workloads.data.chunks import chunks, rows_of
    from workloads.data.datasets import Data

    x = rows_of(connected.home, Data(**data))
    total = 0.0
    for first, last in chunks(len(x), 50_000):
        total += float(
            (pairwise_distances_argmin_min(x[first:last], found["centres"])[1] ** 2).sum()
        )
    return -total / len(x)


def versions():
    found = {}
    for name in ("ray", "dask", "distributed", "scikit-learn", "numpy", "dask-ml"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found


main()
