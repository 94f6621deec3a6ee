"""Memory of the nodes: over 50 trials, beside a control that copies; and at full size in 2 GB.

    python -m bench.exact_memory flat          about 25 minutes
    python -m bench.exact_memory full          about 30 minutes
    python -m bench.exact_memory flat --try    shows that it runs; so does full --try

`flat`: 50 combinations on 3 nodes by the shared search, each builder on each engine, and the
same 50 as tasks that are each given the data, as naive scripts do. Looked at is the memory of
every node, each second, while there are units, or tasks, to do; the first tenth, in which
processes take up what they work with, is told apart.

`full`: the case that runs out of memory elsewhere: 581,012 rows, no limit of depth, pruning, on
nodes of 2 GB. A forest before its pruning takes 12 MB a tree there, 3.6 GB at 300 trees.
"""

import argparse
import time
from typing import Any

from bench.exact_peers import PROGRAM
from bench.exact_search import (
    BUILDERS,
    ENGINES,
    Work,
    only_known,
    prepare_data,
    shared_search,
    where,
)
from bench.machine import facts, keep
from bench.machines import Cluster, cluster

FLAT_GRID: dict[str, list[Any]] = {
    "n_estimators": [60, 120, 180, 240, 300],
    "max_features": [3, 5, 7, 9, 11],
    "ccp_alpha": [0.0, 0.001],
}
FULL_GRID: dict[str, list[Any]] = {
    "n_estimators": [100],
    "max_depth": [None],
    "ccp_alpha": [0.001],
}
ROWS = {"flat": 40_000, "full": 581_012}
TRY_ROWS = {"flat": 10_000, "full": 20_000}
TRY_TREES = {"flat": [2, 4, 6, 8, 10], "full": [10]}
MEMORY = {"flat": "3g", "full": "2g"}
PREPARING_CPUS = 0.6
MOST_AWAY = 20e6
MEGABYTE = 1e6


def main() -> None:
    """Measure and keep the figures."""
    options = parse()
    machine = facts()
    grid = dict(FLAT_GRID if options.case == "flat" else FULL_GRID)
    if options.trial:
        grid["n_estimators"] = TRY_TREES[options.case]
    if options.trees:
        grid["n_estimators"] = [options.trees]
    work = Work(options.rows, grid, folds=3)
    found: dict[str, Any] = {}
    with cluster(nodes=3, cpus=options.cpus, memory=MEMORY[options.case]) as made:
        place = where(made.inventory)
        with made.faster(PREPARING_CPUS):
            prepare_data(made, work.data)
        for engine in options.engines:
            for builder in options.builders:
                found[f"{builder} on {engine}"] = search(made, work, engine, builder)
                show(f"{builder} on {engine}", found[f"{builder} on {engine}"])
            if options.case == "flat":
                found[f"control on {engine}"] = control(made, work, engine)
                show(f"control on {engine}", found[f"control on {engine}"])
    name = f"exact_memory_{options.case}{'_try' if options.trial else ''}"
    document = {"nodes": place, "work": work.document(), "searches": found}
    print(f"kept in {keep(name, machine, document)}")
    if options.case == "full" and len({one["scores_digest"] for one in found.values()}) > 1:
        raise SystemExit("scores differ between searches of the same work")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=ROWS)
    parser.add_argument("--builders", default=",".join(BUILDERS))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--trees", type=int, help="one size of forest only")
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--try", dest="trial", action="store_true")
    options = parser.parse_args()
    options.builders = only_known(options.builders, BUILDERS, "--builders")
    options.engines = only_known(options.engines, ENGINES, "--engines")
    options.rows = options.rows or (TRY_ROWS if options.trial else ROWS)[options.case]
    return options


def search(made: Cluster, work: Work, engine: str, builder: str) -> dict[str, Any]:
    """Run the shared search; it does not count unless every trial has its scores."""
    found = shared_search(made, work, engine=engine, nodes=3, builder=builder)
    phases = found["phases"]
    begin = sum(phases.values()) - phases["work"]
    during = {
        node: [
            int(value)
            for at, value in zip(series["seconds"], series["memory"], strict=True)
            if begin <= at <= begin + phases["work"]
        ]
        for node, series in found["timeline"].items()
    }
    return {
        "trials": len(found["scores"]),
        "seconds": phases["work"],
        "host_load": found["load"],
        "scores_digest": found["summary"]["scores_digest"],
        "nodes": {node: curve(values) for node, values in during.items()},
        "highest_bytes": {node: max(values) for node, values in found["memory"].items()},
        "highest_with_cache_bytes": made.highest_memory(),
    }


def control(made: Cluster, work: Work, engine: str) -> dict[str, Any]:
    """Do the same number of trials, each of which is given the data."""
    endpoint = made.bring(engine, nodes=3)
    task = work.task(f"copies-{engine}", endpoint, made.inventory)
    begin = time.monotonic()
    found = made.python(made.inventory.head, endpoint, PROGRAM.read_text(), task)
    whole = made.memory(time.monotonic() - begin)
    during = made.memory(found["trials_seconds"])
    return {
        "trials": found["trials"],
        "seconds": found["trials_seconds"],
        "nodes": {node: curve(values) for node, values in during.items()},
        "highest_bytes": {node: max(values) for node, values in whole.items()},
        "highest_with_cache_bytes": made.highest_memory(),
    }


def curve(values: list[int]) -> dict[str, Any]:
    """Return how far memory moved to either side of its middle, and the curve in 20 points."""
    settled = values[len(values) // 10 :]
    away = (max(settled) - min(settled)) / 2
    step = max(1, len(values) // 20)
    return {
        "samples": len(values),
        "away_from_middle_mb": round(away / MEGABYTE, 1),
        "away_with_first_tenth_mb": round((max(values) - min(values)) / 2 / MEGABYTE, 1),
        "flat": away <= MOST_AWAY,
        "curve_mb": [round(value / MEGABYTE) for value in values[::step]],
    }


def show(name: str, found: dict[str, Any]) -> None:
    away = {node: one["away_from_middle_mb"] for node, one in found["nodes"].items()}
    highest = {node: round(one / MEGABYTE) for node, one in found["highest_bytes"].items()}
    print(
        f"{name:24} {found['trials']} trials in {found['seconds']:.0f} s; "
        f"± MB {away}; highest MB {highest}",
        flush=True,
    )


if __name__ == "__main__":
    main()
