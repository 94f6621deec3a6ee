"""K-Means on 3 nodes beside 1, scikit-learn's and dask-ml's, in one run.

    python -m bench.kmeans                 2 million x 54, about half an hour
    python -m bench.kmeans --try           minutes: shows that it runs

All begin with the data on the nodes, from the same centres, and do the same iterations. The
nodes have the peers' environment (bench/peers.lock), in which dask-ml is. It computes on
chunks that it reads into its workers once; ours map the node's copy.
"""

from pathlib import Path
from typing import Any

from bench.contest import BESIDE_DASK_ML, PEERS_LOCK, faster, parse, turns
from bench.exact_search import prepare_data
from bench.machine import facts, keep, spread
from bench.machines import Cluster, cluster
from workloads import kmeans
from workloads.data.points import data

PROGRAM = Path(__file__).with_name("kmeans_form.py")
POINTS, TRY_POINTS = 2_000_000, 100_000
TO_REACH = 2.5
PREPARING_CPUS = 0.6


def main() -> None:
    """Measure and keep the figures."""
    options = parse(__doc__, points=POINTS, try_points=TRY_POINTS, iterations=20)
    machine = facts()
    settings = {"points": options.points, "iterations": options.iterations}
    parameters = kmeans.validate({"preset": "large", **settings})
    found: dict[str, list[dict[str, Any]]] = {}
    with cluster(nodes=3, cpus=options.cpus) as made:
        with made.faster(PREPARING_CPUS):  # nobody's first fit pays for the data
            prepare_data(made, data(parameters), PEERS_LOCK)
        for repeat, name in turns(BESIDE_DASK_ML, options.repeats):
            one = measure(made, parameters, name)
            found.setdefault(name, []).append(one)
            print(
                f"{repeat} {name:18} {one['wall_seconds']:7.1f} s, "
                f"CPU {one['cpu_seconds']:7.1f} s, score {one['score']:.6f}",
                flush=True,
            )
        path = keep(f"kmeans{options.suffix}", machine, figures(parameters, found))
    print(f"kept in {path}")


def measure(made: Cluster, parameters: dict[str, Any], name: str) -> dict[str, Any]:
    engine, form, nodes = BESIDE_DASK_ML[name]
    endpoint = made.bring(engine, nodes=nodes, lock=PEERS_LOCK)
    place = made.place(engine, endpoint)
    given = {
        "data": vars(data(parameters)),
        "clusters": parameters["clusters"][0],
        **{key: parameters[key] for key in ("iterations", "seed", "chunk_rows")},
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
            "score": records[0]["score"],
            "iterations": records[0]["iterations"],
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
