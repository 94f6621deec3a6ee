"""One PCA from the bucket on a cluster's head, ours or dask-ml's; sent as text to Python there.

    python - TASK < bench/pca_form.py

Prints JSON: wall seconds of reading and fit, after connecting and a warm-up of the workers,
CPU seconds of workers and client, and what was found.
"""

import json
import os
import sys
import time
from importlib import metadata


def main():
    from workloads.data.reading import BYTES, SECONDS
    from workloads.engines.program_process import connection
    from workloads.engines.unit_process import find

    task = json.loads(sys.argv[1])
    connected, spent = connection(json.dumps(task["place"], sort_keys=True))
    form = task["form"]
    ours = "workloads.pca." + ("on_dask" if form == "dask-ml" else form)
    find(f"{ours}:warm_up")(connected, data=task["given"]["data"])
    fit = dask_ml if form == "dask-ml" else find(f"{ours}:fit")
    begin, cpu = time.monotonic(), spent() + time.process_time()
    (found,) = fit(connected, **task["given"])
    record = {
        "wall_seconds": time.monotonic() - begin,
        "cpu_seconds": spent() + time.process_time() - cpu,
        "explained": found["extra"]["explained"],
        "read_seconds": found["extra"].get(SECONDS),
        "read_bytes": found["extra"].get(BYTES),
        "versions": versions(),
    }
    print(json.dumps(record), flush=True)
    os._exit(0)  # an engine's library may wait at exit for a peer that is gone


def dask_ml(connected, *, data, components, chunk_rows):
    """dask-ml's PCA of a Dask array whose chunks its workers read from the bucket and keep.

    Its fit goes over the array more than once, so it is persisted first, as Dask's own advice
    is. The chunks are a few a worker, which is faster for it than ours would be.
    """
    import dask.array
    from dask import delayed
    from dask_ml.decomposition import PCA

    from workloads.data.bucket_rows import open_rows
    from workloads.data.chunks import chunks
    from workloads.data.datasets import Data

    x = open_rows(Data(**data))

    def read(first, last):
        from workloads.data import bucket_rows, datasets

        return bucket_rows.open_rows(datasets.Data(**data))[first:last]

    rows = -(-len(x) // (connected.slots * 4))
    pieces = [
        dask.array.from_delayed(
            delayed(read)(first, last), shape=(last - first, x.shape[1]), dtype="float32"
        )
        for first, last in chunks(len(x), rows)
    ]
    model = PCA(n_components=components).fit(dask.array.concatenate(pieces).persist())
    ratios = [float(one) for one in model.explained_variance_ratio_]
    return [{"scores": ratios, "extra": {"explained": sum(ratios)}}]


def versions():
    found = {}
    for name in ("ray", "dask", "distributed", "scikit-learn", "numpy", "dask-ml"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found


main()
