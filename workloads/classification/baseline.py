"""The search without an engine: the table by one connection, GridSearchCV on one machine."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from workloads.classification import search as shared
from workloads.data import tables
from workloads.data.totals import totals
from workloads.programs import Connected


def search(
    connected: Connected,
    *,
    data: Mapping[str, Any],
    combinations: Sequence[Mapping[str, Any]],
    form: str,
    pieces: int,
    **how: Any,
) -> list[dict[str, Any]]:
    """Read the table and score each combination; `form` is of no meaning here."""

    def work() -> list[dict[str, Any]]:
        table = shared.look(connected.home, data)
        connected.tell(0, 0, f"reading {table.name}")
        begin = time.monotonic()
        fields = shared.as_fields(table)
        blocks = [
            tables.read_range(connected.home, fields, *one)
            for one in tables.ranges(table.rows, pieces)
        ]
        shared.check_read(table, [totals(x, y) for _, x, y in blocks])
        read_seconds = time.monotonic() - begin
        x, y = shared.rows_of(table.name, blocks)
        connected.tell(0, 0, f"in GridSearchCV of {len(combinations)} combinations")
        found = shared.grid_search(x, y, combinations, **how, jobs=connected.slots)
        return shared.with_times(found, table, read_seconds)

    return shared.reasoned(work, len(combinations))


def warm_up(connected: Connected) -> bool:
    """Load all that a first search would have to load."""
    return shared.warm_up()
