"""A table of the database as a dataframe of Dask, read by its workers, a range each."""

from collections.abc import Mapping
from typing import Any

from workloads.data import tables
from workloads.data.tables import Table
from workloads.data.totals import Totals, totals


def frame(home: str, table: Table, pieces: int) -> Any:
    """Return the table as a `dask.dataframe`, not read yet: its key is the index.

    Each partition is read when it is computed, by a connection of the worker that computes it.
    `dask.dataframe.read_sql_table` would want SQLAlchemy, and rows as objects of Python's.
    """
    import dask.dataframe

    fields = {name: getattr(table, name) for name in ("name", "columns", "kind")}
    cut = tables.ranges(table.rows, pieces)
    return dask.dataframe.from_map(
        read_frame, cut, home=home, table=fields, meta=_empty(fields),
        divisions=(*(first for first, _ in cut), table.rows - 1), label="read-table",
    )  # fmt: skip


def read_frame(cut: tuple[int, int], *, home: str, table: Mapping[str, Any]) -> Any:
    """Return the rows of a range as a pandas frame."""
    return _frame(*tables.read_range(home, table, *cut))


def arrays(part: Any) -> tuple[Any, Any, Any]:
    """Return keys, values and labels of a partition."""
    return part.index.to_numpy(), part.iloc[:, :-1].to_numpy(), part["y"].to_numpy()


def totals_of(part: Any) -> Totals:
    """Return the totals of a partition."""
    _, x, y = arrays(part)
    return totals(x, y)


def _frame(keys: Any, x: Any, y: Any) -> Any:
    import pandas

    names = [f"x{one}" for one in range(x.shape[1])]
    made = pandas.DataFrame(x, columns=names, index=pandas.Index(keys, name="id"), copy=False)
    made["y"] = y
    return made


def _empty(table: Mapping[str, Any]) -> Any:
    import numpy

    none = numpy.empty(0, dtype="i8")
    return _frame(none, numpy.empty((0, table["columns"]), dtype=table["kind"]), none)
