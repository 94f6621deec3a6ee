"""Time to load data into PostgreSQL on the head and to read them on 1 to 3 nodes, in one run.

    python -m bench.database               1 million x 20, about 25 minutes
    python -m bench.database --try         minutes: shows that it runs

Reading ends when every block lies in the engine and its rows and sums were found to be those
that were loaded. Beside ours, on Ray: its own `ray.data.read_sql` with psycopg. All rows come
from one server on the head, which computes on its share of processor beside the engine.
"""

import json
from pathlib import Path
from typing import Any

from bench.contest import parse, turns
from bench.machine import facts, keep, spread
from bench.machines import Cluster, cluster
from provision import database
from provision.links import Links
from workloads import classification, registry
from workloads.data.points import data

PROGRAM = Path(__file__).with_name("database_form.py")
# Name: engine, form, nodes.
CONTESTANTS = {
    "plain": (None, "baseline", 1),
    **{f"dask on {count}": ("dask", "on_dask", count) for count in (1, 2, 3)},
    **{f"ray on {count}": ("ray", "on_ray", count) for count in (1, 2, 3)},
    "ray read_sql on 3": ("ray", "read_sql", 3),
}
POINTS, TRY_POINTS = 1_000_000, 20_000
PREPARING_CPUS = 0.6


def main() -> None:
    """Measure and keep the figures."""
    options = parse(__doc__, points=POINTS, try_points=TRY_POINTS)
    machine = facts()
    parameters = classification.validate({"preset": "default", "points": options.points})
    found: dict[str, list[dict[str, Any]]] = {}
    with cluster(nodes=3, cpus=options.cpus) as made:
        loads = [load(made, parameters, fresh=repeat > 0) for repeat in range(options.repeats)]
        print(f"loaded in {[one['load_seconds'] for one in loads]} s", flush=True)
        for repeat, name in turns(CONTESTANTS, options.repeats):
            one = measure(made, parameters, name)
            found.setdefault(name, []).append(one)
            print(f"{repeat} {name:18} read {one['read_seconds']:7.2f} s", flush=True)
        path = keep(f"database{options.suffix}", machine, figures(parameters, loads, found))
    print(f"kept in {path}")


def load(made: Cluster, parameters: dict[str, Any], *, fresh: bool) -> dict[str, Any]:
    """Load as a user does; the first brings the environment to all nodes, faster."""
    if not fresh:
        with made.faster(PREPARING_CPUS):
            made.bring(None, nodes=3, lock=_lock())
    described = data(parameters)
    words = ["data.load", described.dataset, "--rows", str(described.rows), "--json"]
    found: dict[str, Any] = json.loads(made.fab(*words, *(["--fresh"] if fresh else [])))
    (table,) = found["tables"]
    return dict(table)


def measure(made: Cluster, parameters: dict[str, Any], name: str) -> dict[str, Any]:
    engine, form, nodes = CONTESTANTS[name]
    endpoint = made.bring(engine, nodes=nodes, lock=_lock())
    with Links(made.inventory) as links:
        database.ensure(links, made.inventory, made.state, endpoint.nodes)
    place = made.place(engine, endpoint)
    given = {
        "data": vars(data(parameters)),
        "combinations": [{"C": 0.01}],
        "folds": 2,
        **{key: parameters[key] for key in ("classifier", "form", "pieces", "seed")},
    }
    task = {"place": place, "form": form, "given": given}
    found: dict[str, Any] = made.python(
        made.inventory.head, endpoint, PROGRAM.read_text(), task
    )
    return found


def figures(
    parameters: dict[str, Any],
    loads: list[dict[str, Any]],
    found: dict[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    table = {
        name: spread([one["read_seconds"] for one in records])
        for name, records in found.items()
    }

    def ratio(slow: str, fast: str) -> float:
        return round(float(table[slow]["median"] / table[fast]["median"]), 2)

    return {
        "work": parameters,
        "table_bytes": loads[0]["bytes"],
        "load_seconds": spread([one["load_seconds"] for one in loads]),
        "read_seconds": table,
        "faster_on_3_than_on_1": {
            engine: ratio(f"{engine} on 1", f"{engine} on 3") for engine in ("dask", "ray")
        },
        "faster_than_read_sql": ratio("ray read_sql on 3", "ray on 3"),
        "versions": next(iter(found.values()))[0]["versions"],
    }


def _lock() -> Path:
    lock = registry.lock(classification.NAME)
    if lock is None:
        raise SystemExit("classification has no lock")
    return lock


if __name__ == "__main__":
    main()
