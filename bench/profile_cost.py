"""What a profile costs the time that is measured: the same runs with one and without, in turns.

    python -m bench.profile_cost           K-Means of many small tasks on 2 nodes, 15 minutes
    python -m bench.profile_cost --repeats 2

The profile is made before the clock starts and after it stops; what is left in between is that
the scheduler of Dask notes each task, and that the process of a program on Ray does.
"""

import argparse
from pathlib import Path
from typing import Any

from bench.contest import turns
from bench.machine import facts, keep, spread
from bench.machines import Cluster, cluster
from workloads.sweeps.journal import Journal
from workloads.sweeps.records import RunRecord, parse

SETTINGS = ("points=100000", "clusters=[8]", "iterations=40", "chunk_rows=5000")
ENGINES = ("ray", "dask")


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--cpus", type=float, default=0.4)
    options = parser.parse_args()
    machine = facts()
    with cluster(nodes=2, cpus=options.cpus) as made:
        rows = measured(made, options.repeats)
    found: dict[str, Any] = {one: figures(rows, one) for one in ENGINES}
    path = keep("profile_cost", machine, {"node_cpus": options.cpus, "set": SETTINGS, **found})
    print(f"{found}\nkept in {path}")


def measured(made: Cluster, repeats: int) -> dict[str, list[RunRecord]]:
    """Return the rows of runs with a profile and without."""
    words = [word for setting in SETTINGS for word in ("--set", setting)]
    words += ["--workload", "kmeans", "--nodes", "2", "--no-baseline"]
    words += ["--results", str(made.state / "results")]
    kinds = {"with": ["--profile"], "without": []}
    for repeat, name in turns(kinds, repeats):
        print(f"repeat {repeat} of {repeats}, {name} a profile", flush=True)
        own = ["--name", name, "--repeats", str(repeat), *kinds[name]]
        made.fab("sweep.run", *words, *own)
    return {name: rows_of(made.state / "results" / name) for name in kinds}


def rows_of(folder: Path) -> list[RunRecord]:
    """Return the rows of a sweep."""
    entries = [parse(one) for one in Journal(folder / "journal.jsonl").read().records]
    return [one for one in entries if isinstance(one, RunRecord)]


def figures(rows: dict[str, list[RunRecord]], engine: str) -> dict[str, Any]:
    """Return times and CPU seconds with a profile and without, and what share it adds."""
    found: dict[str, Any] = {}
    for name, of_name in rows.items():
        own = [row for row in of_name if row.engine == engine and row.status == "finished"]
        parts = [len([one for one in row.profiles if "path" in one]) for row in own]
        found[name] = {
            "seconds": spread([row.wall_seconds or 0.0 for row in own]),
            "cpu_seconds": spread([row.cpu_seconds or 0.0 for row in own]),
            "profile_parts": parts,
        }
    for name in ("seconds", "cpu_seconds"):
        two, one = (found[kind][name]["median"] for kind in ("with", "without"))
        found[f"{name}_ratio"] = round(two / one, 4)
    return found


if __name__ == "__main__":
    main()
