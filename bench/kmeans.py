"""K-Means on 3 nodes beside 1, scikit-learn's and dask-ml's, in one run.

    python -m bench.kmeans                 2 million x 54, about half an hour
    python -m bench.kmeans --try           minutes: shows that it runs

All begin with the data on the nodes, from the same centres, and do the same iterations. The
nodes have the peers' environment (bench/peers.lock), in which dask-ml is. It computes on
chunks that it reads into its workers once; ours map the node's copy.
"""

import argparse
from pathlib import Path
from typing import Any

from bench.exact_search import prepare_data
from bench.machine import facts, keep, spread
from bench.machines import Cluster, cluster
from workloads import kmeans
from workloads.data.points import data

PEERS_LOCK = Path(__file__).with_name("peers.lock")
PROGRAM = Path(__file__).with_name("kmeans_form.py")
# Name: engine, form, nodes.
CONTESTANTS = {
    "scikit-learn": (None, "baseline", 1),
    "tandem dask on 1": ("dask", "on_dask", 1),
    "tandem dask on 3": ("dask", "on_dask", 3),
    "dask-ml on 3": ("dask", "dask-ml", 3),
    "tandem ray on 1": ("ray", "on_ray", 1),
    "tandem ray on 3": ("ray", "on_ray", 3),
}
POINTS, TRY_POINTS = 2_000_000, 100_000
TO_REACH = 2.5
PREPARING_CPUS = 0.6


def main() -> None:
    """Measure and keep the figures."""
    options = parse()
    machine = facts()
    settings = {"points": options.points, "iterations": options.iterations}
    parameters = kmeans.validate({"preset": "large", **settings})
    found: dict[str, list[dict[str, Any]]] = {}
    with cluster(nodes=3, cpus=options.cpus) as made:
        with made.faster(PREPARING_CPUS):  # nobody's first fit pays for the data
            prepare_data(made, data(parameters), PEERS_LOCK)
        for repeat in range(options.repeats):
            names = list(CONTESTANTS)
            for name in names if repeat % 2 == 0 else reversed(names):
                one = measure(made, parameters, name)
                found.setdefault(name, []).append(one)
                print(
                    f"{repeat + 1} {name:18} {one['wall_seconds']:7.1f} s, "
                    f"CPU {one['cpu_seconds']:7.1f} s, score {one['score']:.6f}",
                    flush=True,
                )
        path = keep(f"kmeans{options.suffix}", machine, figures(parameters, found))
    print(f"kept in {path}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--points", type=int)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--try", dest="trial", action="store_true")
    options = parser.parse_args()
    options.points = options.points or (TRY_POINTS if options.trial else POINTS)
    options.repeats = 1 if options.trial else options.repeats
    options.suffix = "_try" if options.trial else ""
    return options


def measure(made: Cluster, parameters: dict[str, Any], name: str) -> dict[str, Any]:
    engine, form, nodes = CONTESTANTS[name]
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

    def ratio(slow: str, fast: str) -> float:
        one, other = (table[name]["wall_seconds"]["median"] for name in (slow, fast))
        return round(float(one / other), 2)

    ours = {engine: f"tandem {engine} on 3" for engine in ("dask", "ray")}
    return {
        "work": parameters,
        "forms": table,
        "to_reach": TO_REACH,
        "faster_than_its_one_node": {
            engine: ratio(f"tandem {engine} on 1", name) for engine, name in ours.items()
        },
        "faster_than_scikit_learn_on_one": {
            engine: ratio("scikit-learn", name) for engine, name in ours.items()
        },
        "faster_than_dask_ml_on_3": {
            engine: ratio("dask-ml on 3", name) for engine, name in ours.items()
        },
        "versions": next(iter(found.values()))[0]["versions"],
    }


if __name__ == "__main__":
    main()
