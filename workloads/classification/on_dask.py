"""The search on Dask: its dataframe read by all workers, then fits on its partitions."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from workloads.classification import search as shared
from workloads.data import tables_on_dask
from workloads.programs import Connected, counting


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
    client = connected.client

    def work() -> list[dict[str, Any]]:
        table = shared.look(connected.home, data)
        connected.tell(0, 0, f"reading {table.name}")
        begin = time.monotonic()
        frame = tables_on_dask.frame(connected.home, table, pieces * connected.slots)
        blocks = client.compute(frame.to_delayed(), retries=0)
        read = client.map(tables_on_dask.totals_of, blocks, retries=0, pure=False)
        shared.check_read(table, client.gather(read))
        read_seconds = time.monotonic() - begin
        if form == "joblib":
            connected.tell(0, 0, f"in GridSearchCV of {len(combinations)} combinations")
            found = _grid_search(client, blocks, table.name, combinations, how)
        else:
            cut = shared.parts(combinations, how["folds"])
            tasks = [
                client.submit(fit, one, table.name, blocks, **how, pure=False, retries=0)
                for one in cut
            ]
            counting(tasks, connected.counting("fits"))
            found = shared.results(client.gather(tasks), how["folds"])
        return shared.with_times(found, table, read_seconds)

    return shared.reasoned(work, len(combinations))


def fit(
    part: tuple[Mapping[str, Any], int], mark: str, blocks: Sequence[Any], **how: Any
) -> float:
    """Return the score of one fit, from the partitions that Dask brought to this worker."""
    x, y = shared.rows_of(mark, [tables_on_dask.arrays(block) for block in blocks])
    return shared.score(x, y, part, **how)


def _grid_search(
    client: Any, blocks: Sequence[Any], mark: str, combinations: Any, how: Mapping[str, Any]
) -> list[dict[str, Any]]:
    import joblib

    arrays = [tables_on_dask.arrays(block) for block in client.gather(blocks)]
    x, y = shared.rows_of(mark, arrays)
    with joblib.parallel_config("dask", client=client):
        return shared.grid_search(x, y, combinations, **how, jobs=-1)


def warm_up(connected: Connected) -> bool:
    """Load all that a first search would have to load, here and in every worker."""
    connected.client.run(shared.warm_up, "dask.dataframe", "pandas")
    return shared.warm_up("dask.dataframe", "pandas")
