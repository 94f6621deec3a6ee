"""The search on Ray: Ray Data reads the table with all workers, then fits on its blocks."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from workloads.classification import search as shared
from workloads.data import tables_on_ray
from workloads.programs import Connected, on_every_ray_node, waiting


def search(
    connected: Connected,
    *,
    data: Mapping[str, Any],
    combinations: Sequence[Mapping[str, Any]],
    form: str,
    pieces: int,
    **how: Any,
) -> list[dict[str, Any]]:
    """Read the table and score each combination on every node; `how` is as in `score`."""
    ray = connected.client

    def work() -> list[dict[str, Any]]:
        table = shared.look(connected.home, data)
        connected.tell(0, 0, f"reading {table.name}")
        begin = time.monotonic()
        found = tables_on_ray.dataset(connected.home, table, pieces * connected.slots)
        blocks = found.materialize().to_arrow_refs()
        sums = ray.remote(tables_on_ray.totals_of)
        shared.check_read(table, ray.get([sums.remote(block) for block in blocks]))
        read_seconds = time.monotonic() - begin
        if form == "joblib":
            connected.tell(0, 0, f"in GridSearchCV of {len(combinations)} combinations")
            results = _grid_search(ray, blocks, table.name, combinations, how)
        else:
            task = ray.remote(fit).options(scheduling_strategy="SPREAD")
            cut = shared.parts(combinations, how["folds"])
            tasks = [task.remote(one, table.name, how, *blocks) for one in cut]
            waiting(ray, tasks, connected.counting("fits"))
            results = shared.results(ray.get(tasks), how["folds"])
        return shared.with_times(results, table, read_seconds)

    return shared.reasoned(work, len(combinations))


def fit(
    part: tuple[Mapping[str, Any], int], mark: str, how: Mapping[str, Any], *blocks: Any
) -> float:
    """Return the score of one fit, from the blocks that Ray brought to this node."""
    x, y = shared.rows_of(mark, [tables_on_ray.arrays(block) for block in blocks])
    return shared.score(x, y, part, **how)


def _grid_search(
    ray: Any, blocks: Sequence[Any], mark: str, combinations: Any, how: Mapping[str, Any]
) -> list[dict[str, Any]]:
    import joblib
    from ray.util.joblib import register_ray

    x, y = shared.rows_of(mark, [tables_on_ray.arrays(block) for block in ray.get(blocks)])
    register_ray()  # type: ignore[no-untyped-call]
    with joblib.parallel_config("ray"):
        return shared.grid_search(x, y, combinations, **how, jobs=-1)


def warm_up(connected: Connected) -> bool:
    """Load all that a first search would have to load, here and in a worker for each slot."""
    import ray.data

    on_every_ray_node(connected.client, shared.warm_up, "ray.data", "pandas")
    ray.data.range(connected.slots).materialize()  # its first use starts what it counts with
    return shared.warm_up()
