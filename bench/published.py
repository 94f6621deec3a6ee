"""knn and resnet on as many nodes as others published times for, and on one and plain.

    python -m bench.published                   knn, half an hour
    python -m bench.published --workload resnet an hour and a half
    python -m bench.published --try             minutes: shows that it runs

Dask on 2, 4 and 6 nodes, Ray on 2, 3 and 4. The published times are of other machines: what is
kept beside them is how ours change with the number of nodes, and what the report says of it.
"""

import argparse
from typing import Any

from bench.machine import facts, keep
from bench.machines import Cluster, cluster
from bench.sweeps import Row, chosen, figure, reported
from workloads.report.published import FIGURES
from workloads.sweeps.plan import PLAIN

TRY_NODES = {"dask": [2], "ray": [2]}


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", choices=sorted(FIGURES), default="knn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--try", dest="trial", action="store_true")
    options = parser.parse_args()
    known = FIGURES[options.workload]
    counts = TRY_NODES if options.trial else {engine: list(known[engine]) for engine in known}
    repeats = 1 if options.trial else options.repeats
    machine = facts()
    most = max(count for one in counts.values() for count in one)
    found: dict[str, Any] = {}
    with cluster(nodes=most, cpus=options.cpus) as made:
        for engine, nodes in counts.items():
            found[engine] = measure(made, options.workload, engine, [1, *nodes], repeats)
    suffix = "_try" if options.trial else ""
    path = keep(f"published_{options.workload}{suffix}", machine, found)
    print(f"kept in {path}")


def measure(
    made: Cluster, workload: str, engine: str, nodes: list[int], repeats: int
) -> dict[str, Any]:
    """Return what one engine took on so many nodes, beside plain and what others published."""
    rows, title = reported(
        made, f"{workload}-{engine}", "--workload", workload, "--engines", engine,
        "--nodes", ",".join(map(str, nodes)), "--repeats", str(repeats),
    )  # fmt: skip
    print(f"{engine}: {title}", flush=True)
    return {
        "report": title,
        "plain": taken(chosen(rows, PLAIN, 1)),
        "nodes": {str(count): taken(chosen(rows, engine, count)) for count in nodes},
        "published_seconds": {
            str(count): seconds for count, seconds in FIGURES[workload][engine].items()
        },
    }


def taken(rows: list[Row]) -> dict[str, Any] | str:
    """Return wall and CPU seconds of runs, or that there is none to compare."""
    return figure(rows) if rows else "no run that may be compared"


if __name__ == "__main__":
    main()
