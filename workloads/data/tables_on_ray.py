"""A table of the database as a dataset of Ray Data, read by its workers, a range each."""

import functools
from collections.abc import Mapping
from typing import Any

from workloads.data import tables
from workloads.data.tables import Table
from workloads.data.totals import Totals, totals


def dataset(home: str, table: Table, pieces: int) -> Any:
    """Return the table as a `ray.data.Dataset`, not read yet: columns `id`, `x` (vectors), `y`.

    Each block is read by a connection of the worker that reads it. `ray.data.read_sql` would
    make each row an object of Python's first.
    """
    import ray.data

    return ray.data.read_datasource(_source(home, table, pieces), override_num_blocks=pieces)


def read_block(home: str, table: Mapping[str, Any], first: int, last: int) -> Any:
    """Return the rows of a range as a table of Arrow."""
    import ray.data.block

    keys, x, y = tables.read_range(home, table, first, last)
    return ray.data.block.BlockAccessor.batch_to_block({"id": keys, "x": x, "y": y})


def arrays(block: Any) -> tuple[Any, Any, Any]:
    """Return keys, values and labels of a block."""
    import ray.data.block

    found = ray.data.block.BlockAccessor.for_block(block).to_numpy(["id", "x", "y"])
    return found["id"], found["x"], found["y"]


def totals_of(block: Any) -> Totals:
    """Return the totals of a block."""
    _, x, y = arrays(block)
    return totals(x, y)


def _source(home: str, table: Table, pieces: int) -> Any:
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    fields = {name: getattr(table, name) for name in ("name", "columns", "kind")}
    row_bytes = table.columns * int(table.kind[1]) + 16

    def reader(first: int, last: int) -> Any:
        return [read_block(home, fields, first, last)]

    class TableSource(Datasource):  # type: ignore[misc]
        """What Ray Data asks for the ranges of a table."""

        def get_name(self) -> str:
            return table.name

        def estimate_inmemory_data_size(self) -> int:
            return table.rows * row_bytes

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
            return [
                ReadTask(
                    functools.partial(reader, first, last),
                    BlockMetadata(last - first, (last - first) * row_bytes, None),
                )
                for first, last in tables.ranges(table.rows, pieces)
            ]

    return TableSource()
