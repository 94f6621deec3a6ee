"""The shared search on 3 nodes beside 1, coding of the data included, bring-up not.

    python -m bench.exact_nodes                    about 30 minutes for each repeat
    python -m bench.exact_nodes --builders compiled --engines dask --repeats 1
    python -m bench.exact_nodes --try              shows that it runs, in a few minutes

Every search starts with raw data on the nodes, without codes. Builders are paced differently,
so each has rows of its own: at least five minutes on one node.
"""

import argparse
import statistics
from typing import Any

from bench.exact_search import (
    BUILDERS,
    ENGINES,
    Work,
    grid_of,
    only_known,
    prepare_data,
    shared_search,
    where,
)
from bench.machine import facts, keep, spread
from bench.machines import Cluster, cluster

ROWS = {"scikit-learn": 18_500, "compiled": 80_000}
TRY_ROWS, TRY_TREES = 4_000, 24
TREES = 300
COUNTS = (1, 3)
LEAST_SECONDS = 300.0
TO_REACH = {"scikit-learn": 2.8, "compiled": 2.6}


def main() -> None:
    """Measure and keep the figures."""
    options = parse()
    machine = facts()
    works = {builder: work_of(builder, options) for builder in options.builders}
    found: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    with cluster(nodes=max(COUNTS), cpus=options.cpus) as made:
        place = where(made.inventory)
        for work in works.values():
            prepare_data(made, work.data)
        for repeat in range(options.repeats):
            for builder in options.builders:
                one_repeat(made, works[builder], builder, options.engines, repeat, found)
                figures = keep_figures(options, machine, place, works, found)
    if not all(one["equal_scores"] for one in figures.values()):
        raise SystemExit("scores differ between searches of the same work")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--builders", default=",".join(BUILDERS))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, help="for every builder; else each has its own")
    parser.add_argument("--trees", type=int, help=f"of the largest forests; else {TREES}")
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--try", dest="trial", action="store_true")
    options = parser.parse_args()
    options.builders = only_known(options.builders, BUILDERS, "--builders")
    options.engines = only_known(options.engines, ENGINES, "--engines")
    if options.trial:
        options.repeats = 1
    return options


def work_of(builder: str, options: argparse.Namespace) -> Work:
    rows = options.rows or (TRY_ROWS if options.trial else ROWS[builder])
    trees = options.trees or (TRY_TREES if options.trial else TREES)
    return Work(rows, grid_of(trees))


def one_repeat(
    made: Cluster,
    work: Work,
    builder: str,
    engines: list[str],
    repeat: int,
    found: dict[tuple[str, str, int], list[dict[str, Any]]],
) -> None:
    """Do each engine on one node and on all, in turns, so that drift hits all alike."""
    for engine in engines if repeat % 2 == 0 else reversed(engines):
        for count in COUNTS if repeat % 2 == 0 else reversed(COUNTS):
            one = shared_search(made, work, engine=engine, nodes=count, builder=builder)
            found.setdefault((builder, engine, count), []).append(one)
            shown = " ".join(f"{name} {took:.1f}" for name, took in one["phases"].items())
            print(
                f"{repeat + 1} {builder:12} {engine:5} {count} nodes "
                f"{one['coding_and_units']:7.1f} s ({shown}), CPU {one['cpu_seconds']:.1f} s",
                flush=True,
            )


def keep_figures(
    options: argparse.Namespace,
    machine: dict[str, Any],
    place: dict[str, Any],
    works: dict[str, Work],
    found: dict[tuple[str, str, int], list[dict[str, Any]]],
) -> dict[str, Any]:
    """Write what is known so far, so that a long measurement that is cut short is not lost."""
    figures = {
        f"{builder} on {engine}": figure(builder, engine, found)
        for builder in options.builders
        for engine in options.engines
        if all((builder, engine, count) in found for count in COUNTS)
    }
    for name, one in figures.items():
        print(f"{name:24} {one['speed_up']:.2f} times (to reach {one['to_reach']})")
    name = "exact_nodes_try" if options.trial else "exact_nodes"
    document = {
        "nodes": place,
        "work": {builder: work.document() for builder, work in works.items()},
        "speed_ups": figures,
    }
    print(f"kept in {keep(name, machine, document)}", flush=True)
    return figures


def figure(
    builder: str, engine: str, found: dict[tuple[str, str, int], list[dict[str, Any]]]
) -> dict[str, Any]:
    alone, together = (found[builder, engine, count] for count in COUNTS)
    digests = {
        one["summary"]["scores_digest"]
        for (maker, _, _), searches in found.items()
        for one in searches
        if maker == builder
    }

    def ratio(name: str) -> float:
        one, three = (
            statistics.median(float(found[name]) for found in searches)
            for searches in (alone, together)
        )
        return round(one / three, 3)

    return {
        "speed_up": ratio("coding_and_units"),
        "speed_up_with_warm_up": ratio("whole"),
        "to_reach": TO_REACH[builder],
        "long_enough": min(one["coding_and_units"] for one in alone) >= LEAST_SECONDS,
        "equal_scores": len(digests) == 1,
        "scores_digests": sorted(digests),
        **{
            f"on_{count}": {
                "coding_and_units": spread([one["coding_and_units"] for one in searches]),
                "cpu_seconds": spread([one["cpu_seconds"] for one in searches]),
                "phases": [one["phases"] for one in searches],
                "units": searches[0]["units"],
                "host_load": [one["load"] for one in searches],
            }
            for count, searches in zip(COUNTS, (alone, together), strict=True)
        },
    }


if __name__ == "__main__":
    main()
