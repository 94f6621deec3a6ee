"""PCA read from the bucket and solved, on 3 nodes beside 1, scikit-learn's and dask-ml's.

    python -m bench.pca                 2 million x 54, about half an hour
    python -m bench.pca --try           minutes: shows that it runs

The bucket is that of local machines, a real S3 server in their network with a limit of none:
it stands for a service that is faster than those who read. The clock begins with nothing read
and ends with the components. The nodes have the peers' environment (bench/peers.lock), in
which dask-ml is; it reads the same ranges of bytes into the arrays of its workers.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

from bench.contest import BESIDE_DASK_ML, PEERS_LOCK, faster, parse, turns
from bench.machine import facts, keep, spread
from bench.machines import Cluster, cluster
from contracts import inventory
from workloads import pca
from workloads.data.points import data

PROGRAM = Path(__file__).with_name("pca_form.py")
DATA = "blobs:54x10,noise=0.05,seed=0"
NAME = "bench-points"
POINTS, TRY_POINTS = 2_000_000, 100_000
TO_REACH = 2.2


def main() -> None:
    """Measure and keep the figures."""
    options = parse(__doc__, points=POINTS, try_points=TRY_POINTS)
    machine = facts()
    found: dict[str, list[dict[str, Any]]] = {}
    with cluster(nodes=3, cpus=options.cpus) as made:
        made = with_bucket(made, options.points)
        parameters = pca.validate({"dataset": f"bucket:{NAME}", "points": options.points})
        for repeat, name in turns(BESIDE_DASK_ML, options.repeats):
            one = measure(made, parameters, name)
            found.setdefault(name, []).append(one)
            print(
                f"{repeat} {name:18} {one['wall_seconds']:7.1f} s, reading "
                f"{one['read_seconds'] or 0:6.1f} s, CPU {one['cpu_seconds']:7.1f} s, "
                f"explained {one['explained']:.6f}",
                flush=True,
            )
        path = keep(f"pca{options.suffix}", machine, figures(parameters, found))
    print(f"kept in {path}")


def with_bucket(made: Cluster, points: int) -> Cluster:
    """Give the machines a bucket and put the data there, as a user would."""
    name = made.inventory.cluster_id
    made.fab("local.bucket", "--name", name)
    folder = str(made.state / NAME)
    words = ("--dataset", DATA, "--rows", str(points), "--out", folder, "--to", "bucket")
    made.fab("data.generate", *words)
    os.environ["TANDEM_STATE"] = str(made.state)
    known = inventory.load(made.state / "inventory.json")
    return dataclasses.replace(made, inventory=known)


def measure(made: Cluster, parameters: dict[str, Any], name: str) -> dict[str, Any]:
    engine, form, nodes = BESIDE_DASK_ML[name]
    endpoint = made.bring(engine, nodes=nodes, lock=PEERS_LOCK)
    place = made.place(engine, endpoint)
    given = {
        "data": vars(data(parameters)),
        "components": parameters["components"][0],
        "chunk_rows": parameters["chunk_rows"],
    }
    task = {"place": place, "form": form, "given": given}
    found: dict[str, Any] = made.python(
        made.inventory.head, endpoint, PROGRAM.read_text(), task
    )
    return found


def figures(
    parameters: dict[str, Any], found: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    table = {
        name: {
            "wall_seconds": spread([one["wall_seconds"] for one in records]),
            "cpu_seconds": spread([one["cpu_seconds"] for one in records]),
            "read_seconds": [one["read_seconds"] for one in records],
            "read_bytes": records[0]["read_bytes"],
            "explained": records[0]["explained"],
        }
        for name, records in found.items()
    }
    return {
        "work": parameters,
        "forms": table,
        "to_reach": TO_REACH,
        **faster(table),
        "versions": next(iter(found.values()))[0]["versions"],
    }


if __name__ == "__main__":
    main()
