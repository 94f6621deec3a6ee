"""The shared search beside its peers: one run, the same nodes, data, split, grid and libraries.

    python -m bench.exact_peers                    an hour and a half
    python -m bench.exact_peers --peers ray-tune,tandem-ray-compiled,tandem-dask-compiled
    python -m bench.exact_peers --try              minutes: shows that it runs

All begin with the raw data on the nodes and the engine up, and end with the last score:
loading, importing, connecting, coding and warming up are in everybody's time. The peers run in
an environment of their own, `bench/peers.lock`, whose engines and scikit-learn are the
product's. Those named by --third measure a random third of the grid, the same for everybody,
and are counted three times: every size with every depth, at one alpha drawn for the pair.
"""

import argparse
import os
import random
import time
from pathlib import Path
from typing import Any

from bench.contest import PEERS_LOCK, turns
from bench.exact_search import (
    ALPHAS,
    DEPTHS,
    SEED,
    Work,
    grid_of,
    only_known,
    prepare_data,
    shared_search,
    where,
)
from bench.machine import facts, keep, spread
from bench.machines import Cluster, cluster
from contracts.trial import canonical

PROGRAM = Path(__file__).with_name("peer_searches.py")
# Each with the engine that it needs; ours with the builder, too.
PEERS = {
    "ray-tune": "ray",
    "joblib-ray": "ray",
    "dask-ml": "dask",
    "joblib-dask": "dask",
    "gridsearchcv": None,
}
OURS = {
    f"tandem-{engine}-{builder}": (engine, builder)
    for engine in ("ray", "dask")
    for builder in ("scikit-learn", "compiled")
}
NAMES = (*OURS, *PEERS)
CAN_DO_A_THIRD = ("gridsearchcv", "dask-ml", "joblib-ray", "joblib-dask")
ROWS, TREES = 30_000, 300
TRY_ROWS, TRY_TREES = 2_000, 12
LEAST_SECONDS = 1200.0
TO_REACH = {"scikit-learn": 6.0, "compiled": 15.0}
PREPARING_CPUS = 0.6


def main() -> None:
    """Measure and keep the figures."""
    options = parse()
    machine = facts()
    work = Work(options.rows, grid_of(options.trees))
    found: dict[str, list[dict[str, Any]]] = {}
    with cluster(nodes=3, cpus=options.cpus) as made:
        place = where(made.inventory)
        with made.faster(PREPARING_CPUS):
            if set(options.peers) & set(PEERS):
                print("the peers' environment is brought to the nodes", flush=True)
                prepare_data(made, work.data, PEERS_LOCK)
            prepare_data(made, work.data)
        for repeat, name in turns(options.peers, options.repeats):
            one = measure(made, work, name, name in options.third)
            found.setdefault(name, []).append(one)
            print(
                f"{repeat} {name:26} {one['wall_seconds']:8.1f} s, "
                f"CPU {one['cpu_seconds']:8.1f} s{one['measured']}",
                flush=True,
            )
            document = figures(work, place, found)
            path = keep(f"exact_peers{options.suffix}", machine, document)
    for name, ratio in document["faster_than_ray_tune"].items():
        print(f"{name:26} {ratio['wall']:6.2f} times (to reach {ratio['to_reach']})")
    print(f"equal scores: {document['equal_scores']}; kept in {path}")
    if not document["equal_scores"] or not document["equal_versions"]:
        raise SystemExit("scores or versions of libraries differ, see the result")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default=",".join(NAMES), help="and ours, in this order")
    parser.add_argument(
        "--third", default=",".join(CAN_DO_A_THIRD), help="who measures a third only"
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--trees", type=int, help="of the largest forests")
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--try", dest="trial", action="store_true")
    options = parser.parse_args()
    options.peers = only_known(options.peers, NAMES, "--peers")
    options.third = only_known(options.third, CAN_DO_A_THIRD, "--third")
    options.rows = options.rows or (TRY_ROWS if options.trial else ROWS)
    options.trees = options.trees or (TRY_TREES if options.trial else TREES)
    options.suffix = "_try" if options.trial else ""
    return options


def measure(made: Cluster, work: Work, name: str, third: bool) -> dict[str, Any]:
    """Run one search; return wall and CPU seconds, memory, versions and scores."""
    if name in OURS:
        engine, builder = OURS[name]
        found = shared_search(made, work, engine=engine, nodes=3, builder=builder)
        kept = ("cpu_seconds", "phases", "load", "memory", "versions", "scores")
        one = {"wall_seconds": found["whole"], **{key: found[key] for key in kept}}
        return {**one, "measured": ""}
    endpoint = made.bring(PEERS[name], nodes=3, lock=PEERS_LOCK)
    task = work.task(name, endpoint, made.inventory)
    if third:
        task["grid"] = a_third(work)
    cpu, begin, load = made.cpu_seconds(), time.monotonic(), os.getloadavg()[0]
    found = made.python(made.inventory.head, endpoint, PROGRAM.read_text(), task)
    took, parts = time.monotonic() - begin, 3 if third else 1
    cpu = made.cpu_seconds() - cpu
    return {
        "wall_seconds": found["wall_seconds"] * parts,
        "cpu_seconds": cpu * parts,
        "measured": f" (a third: {found['wall_seconds']:.1f} s)" if third else "",
        "load": [load, os.getloadavg()[0]],
        "memory": made.memory(took),
        "versions": found["versions"],
        "scores": {canonical(parameters): scores for parameters, scores in found["scores"]},
    }


def a_third(work: Work) -> list[dict[str, Any]]:
    """Return a random third: every size with every depth, at one alpha drawn for the pair."""
    draw = random.Random(SEED)  # noqa: S311 - the same third for everybody, no secret
    return [
        {"n_estimators": [size], "max_depth": [depth], "ccp_alpha": [draw.choice(ALPHAS)]}
        for size in work.grid["n_estimators"]
        for depth in DEPTHS
    ]


def figures(
    work: Work, place: dict[str, Any], found: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """Return the table of everybody's figures, and how ours compare with Ray Tune's."""
    table = {name: line(records) for name, records in found.items()}
    tune = table.get("ray-tune")
    return {
        "nodes": place,
        "work": work.document(),
        "searches": table,
        "equal_scores": same_scores(found),
        "equal_versions": len({canonical(one["versions"]) for one in every(found)}) == 1,
        "versions": every(found)[0]["versions"],
        "ray_tune_long_enough": tune and tune["wall_seconds"]["median"] >= LEAST_SECONDS,
        "faster_than_ray_tune": {
            name: {
                "wall": ratio(tune, one, "wall_seconds"),
                "cpu": ratio(tune, one, "cpu_seconds"),
                "to_reach": TO_REACH[OURS[name][1]],
            }
            for name, one in table.items()
            if tune and name in OURS
        },
    }


def ratio(peer: dict[str, Any], ours: dict[str, Any], name: str) -> float:
    return round(float(peer[name]["median"] / ours[name]["median"]), 2)


def line(records: list[dict[str, Any]]) -> dict[str, Any]:
    scores = records[0]["scores"]
    means = {key: sum(values) / len(values) for key, values in scores.items()}
    best = max(means.values())
    return {
        "wall_seconds": spread([one["wall_seconds"] for one in records]),
        "cpu_seconds": spread([one["cpu_seconds"] for one in records]),
        "measured": records[0]["measured"].strip() or "whole",
        "host_load": [one["load"] for one in records],
        "combinations": len(scores),
        "best_score": best,
        "best_combinations": sorted(key for key, mean in means.items() if mean == best),
        "highest_memory_bytes": {
            node: max(values) for node, values in records[0]["memory"].items() if values
        },
        **({"phases": [one["phases"] for one in records]} if "phases" in records[0] else {}),
    }


def same_scores(found: dict[str, list[dict[str, Any]]]) -> bool:
    """Whether all split scores that two searches both have are equal to the last bit."""
    known: dict[str, list[float]] = {}
    for one in every(found):
        for parameters, scores in one["scores"].items():
            if known.setdefault(parameters, scores) != scores:
                print(f"{parameters}: {scores} and {known[parameters]}")
                return False
    return True


def every(found: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [one for records in found.values() for one in records]


if __name__ == "__main__":
    main()
