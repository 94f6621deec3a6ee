"""Data as a table of the cluster's database, read in ranges of its key, each by a connection.

A table has the key `id` (0, 1, ... in the order of the rows), the values `x0`, `x1`, ... (real,
or double precision) and the label `y`. Rows travel by COPY, in the format of binary_rows.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.errors import TandemError, UsageError
from workloads import database
from workloads.data.binary_rows import Array, decode
from workloads.data.datasets import Data
from workloads.data.totals import Totals

KINDS: Mapping[str, str] = {"real": "f4", "double precision": "f8"}
# A row must fit a page of 8 KiB, its values and what goes with them.
MOST_COLUMNS = 1000

_LONGEST_NAME = 63


@dataclass(frozen=True)
class Table:
    """A table as it was loaded; `sums` and `sizes` are of each column, as it is and absolute.

    The label is the last of these columns. `kind` is the type of the values in NumPy's words.
    """

    name: str
    version: str
    rows: int
    columns: int
    kind: str
    sums: tuple[float, ...]
    sizes: tuple[float, ...]
    load_seconds: float
    bytes: int

    @property
    def totals(self) -> Totals:
        """What the rows come to."""
        return Totals(self.rows, self.sums, self.sizes)


def name_of(version: str) -> str:
    """Return the name of the table of a version of data; its end is the version's hash.

    >>> name_of("blobs-3x2-noise-0.1-n250-0123456789ab")
    'd_blobs_3x2_noise_0_1_n250_0123456789ab'
    """
    slug = re.sub(r"[^a-z0-9]+", "_", version.lower())
    return f"d_{slug[2 - _LONGEST_NAME :]}"


def ranges(rows: int, pieces: int) -> list[tuple[int, int]]:
    """Return the ranges of the key, first and after the last, of nearly equal length.

    >>> ranges(10, 3)
    [(0, 3), (3, 6), (6, 10)]
    """
    pieces = max(1, min(pieces, rows))
    return [(rows * one // pieces, rows * (one + 1) // pieces) for one in range(pieces)]


def look(home: str, data: Data, columns: int | None = None) -> Table:
    """Return what there is to know of the table of some data, without reading it.

    Raises
    ------
    TandemError
        If the database cannot be reached; if there is no such table, it has other columns, is
        empty, or has another number of rows than was loaded.
    """
    import psycopg

    name, again = name_of(data.version), f"{load_command(data)} --fresh"
    with database.connect(home) as connection:
        try:
            found = _columns(connection, name)
            if not found:
                raise UsageError(
                    f"There is no table {name} in the database.",
                    cause=f"It would hold {data.version}.",
                    next_step=load_command(data),
                )
            kind = _check_columns(name, found, columns, again)
            (last,) = connection.execute(sql("SELECT max(id) FROM {}", name)).fetchone()
            table = known(connection, name)
        except psycopg.Error as error:
            raise database.failed(error, f"the table {name} was looked at") from error
    if last is None:
        raise UsageError(f"The table {name} is empty.", next_step=again)
    if table is None or table.rows != last + 1 or table.kind != kind:
        loaded = f"{table.rows} rows" if table else "nothing"
        raise UsageError(
            f"The table {name} has {last + 1} rows, and {loaded} was loaded.", next_step=again
        )
    return table


def read_range(
    home: str, table: Mapping[str, Any], first: int, last: int
) -> tuple[Array, Array, Array]:
    """Return keys, values and labels of the rows from `first` to before `last`, in order.

    `table` has the fields of a Table. Each call has a connection of its own.

    Raises
    ------
    TandemError
        If the database cannot be reached or fails, or there are fewer rows in the range.
    """
    import psycopg

    name, columns = table["name"], table["columns"]
    heads = ", ".join(["id", *(f"x{one}" for one in range(columns)), "y"])
    where = f"WHERE id >= {first:d} AND id < {last:d}"
    rows = f"SELECT {heads} FROM {{}} {where} ORDER BY id"  # noqa: S608  names of ours
    query = sql(f"COPY ({rows}) TO STDOUT (FORMAT BINARY)", name)
    data = bytearray()
    with database.connect(home) as connection:
        try:
            with connection.cursor().copy(query) as copy:
                for part in copy:
                    data += part
        except psycopg.Error as error:
            raise database.failed(
                error, f"rows {first} to {last} of {name} were read"
            ) from error
    keys, x, y = decode(data, columns, table["kind"])
    if len(keys) != last - first or keys[0] != first or keys[-1] != last - 1:
        raise TandemError(f"{len(keys)} rows of {name} came for {first} to {last}.")
    return keys, x, y


def known(connection: Any, name: str) -> Table | None:
    """Return what was noted of a table when it was loaded, if it was."""
    if not _columns(connection, "loads"):
        return None
    fields = "name, version, rows, columns, kind, sums, sizes, load_seconds, bytes"
    query = f"SELECT {fields} FROM loads WHERE name = %s"  # noqa: S608  names of ours
    found = connection.execute(query, [name]).fetchone()
    if found is None:
        return None
    name, version, rows, columns, kind, sums, sizes, seconds, size = found
    return Table(name, version, rows, columns, kind, tuple(sums), tuple(sizes), seconds, size)


def load_command(data: Data) -> str:
    """Return what to type to load data."""
    return f"fab data.load {data.dataset} --rows {data.rows}"


def _columns(connection: Any, name: str) -> list[tuple[str, str]]:
    """Return name and type of each column of a table, in order; none if there is no table."""
    query = (
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return list(connection.execute(query, [f'public."{name}"']).fetchall())


def _check_columns(
    name: str, found: list[tuple[str, str]], wanted: int | None, again: str
) -> str:
    """Return the kind of the values of a table whose columns are as they must be."""
    count = len(found) - 2 if wanted is None else wanted
    heads = ["id", *(f"x{one}" for one in range(count)), "y"]
    types = {kind for column, kind in found if column not in ("id", "y")}
    keys = [kind for column, kind in found if column in ("id", "y")]
    if [column for column, _ in found] != heads or keys != ["bigint"] * 2:
        shown = ", ".join(f"{column} {kind}" for column, kind in found)
        raise UsageError(
            f"The table {name} has other columns than id, x0 to x{count - 1} and y.",
            cause=f"It has {shown:.300}",
            next_step=again,
        )
    if len(types) != 1 or not types <= set(KINDS):
        raise UsageError(
            f"The values of the table {name} are {', '.join(sorted(types)):.200}.",
            cause=f"They must all be {' or '.join(KINDS)}.",
            next_step=again,
        )
    return KINDS[types.pop()]


def sql(text: str, *names: str) -> Any:
    """Return a statement in which each {} is a name, quoted."""
    from psycopg import sql as parts

    return parts.SQL(text).format(*(parts.Identifier(name) for name in names))
