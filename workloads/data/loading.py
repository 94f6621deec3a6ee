"""Data put into the cluster's database: whole or not at all, and checked there.

Runs on the head, in the environment of the nodes.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

from contracts.errors import RefusedError, TandemError
from workloads import database
from workloads.data import datasets, tables
from workloads.data.binary_rows import HEADER, TRAILER, Array, blocks, encode
from workloads.data.datasets import Data
from workloads.data.tables import MOST_COLUMNS, Table, sql
from workloads.data.totals import Totals, added, check_same, totals

Tell = Callable[[float, str], None]
BLOCK_BYTES = 4 << 20
TELL_SECONDS = 0.5
# How long a table may be in use by readers before a new one takes its name.
LOCK_SECONDS = 30
_LOADS = """
CREATE TABLE IF NOT EXISTS loads (
    name text PRIMARY KEY, version text NOT NULL, rows bigint NOT NULL,
    columns integer NOT NULL, kind text NOT NULL, sums double precision[] NOT NULL,
    sizes double precision[] NOT NULL, load_seconds double precision NOT NULL,
    bytes bigint NOT NULL, loaded_at timestamptz NOT NULL DEFAULT now()
)"""


def load(tell: Tell, *, home: str, data: Mapping[str, Any], fresh: bool) -> dict[str, Any]:
    """Put data into the table of their version; return the table's facts, and `loaded`.

    Where the table is there and is what was loaded, nothing is done, unless `fresh`. Others see
    the table as it was before, or all of it.

    Raises
    ------
    TandemError
        If the data cannot be had, or the database refuses or fails.
    """
    described = Data(**data)
    if not fresh and (there := _there(home, described)) is not None:
        return {**dataclasses.asdict(there), "loaded": False}
    tell(0.0, "making the data")
    datasets.prepare(home, described)
    x, y = datasets.load(home, described)
    if x.shape[1] > MOST_COLUMNS:
        raise RefusedError(
            f"{described.version} has {x.shape[1]} columns; a table may have {MOST_COLUMNS}."
        )
    table = _load(tell, home, described.version, x, y)
    return {**dataclasses.asdict(table), "loaded": True}


def _there(home: str, data: Data) -> Table | None:
    """Return the table if it is as it was loaded."""
    with database.connect(home):
        pass  # whoever is not let in must not be told that there is no table
    try:
        return tables.look(home, data)
    except TandemError:
        return None


def _load(tell: Tell, home: str, version: str, x: Array, y: Array) -> Table:
    import psycopg

    name, made = tables.name_of(version), "loading"
    with database.connect(home) as connection:
        try:
            connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            connection.execute(_LOADS)
            begin = time.monotonic()
            with connection.transaction():
                # One at a time: the next waits here, and finds the name free again.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext('tandem.load'))")
                connection.execute(_create(made, x))
                found = _copy(tell, connection, made, x, y)
                tell(1.0, "key and sums")
                connection.execute(sql("ALTER TABLE {} ADD PRIMARY KEY (id)", made))
                check_same(found, _sums(connection, made, x.shape[1]), f"The table {name}")
                size = "SELECT pg_total_relation_size(%s)"
                (count,) = connection.execute(size, [made]).fetchone()
                connection.execute(sql("DROP TABLE IF EXISTS {}", name))
                connection.execute(sql("ALTER TABLE {} RENAME TO {}", made, name))
                # Or the index of the next table would find the name of this one's taken.
                index = f"k{name[1:]}"
                connection.execute(sql("ALTER INDEX loading_pkey RENAME TO {}", index))
                table = Table(
                    name, version, found.rows, x.shape[1], x.dtype.str[1:], found.sums,
                    found.sizes, time.monotonic() - begin, count,
                )  # fmt: skip
                _note(connection, table)
            connection.execute(sql("ANALYZE {}", name))
        except psycopg.errors.LockNotAvailable as error:
            raise RefusedError(
                f"The table {name} is in use, or another load is at work.",
                next_step="the same command when they have ended",
            ) from error
        except psycopg.Error as error:
            raise database.failed(error, f"{version} was loaded") from error
    return table


def _create(name: str, x: Array) -> Any:
    kind = next(words for words, code in tables.KINDS.items() if code == x.dtype.str[1:])
    columns = ", ".join(f"x{one} {kind} NOT NULL" for one in range(x.shape[1]))
    text = f"CREATE TABLE {{}} (id bigint NOT NULL, {columns}, y bigint NOT NULL)"
    return sql(text, name)


def _copy(tell: Tell, connection: Any, name: str, x: Array, y: Array) -> Totals:
    """Send all rows; return their totals."""
    rows = max(1, BLOCK_BYTES // (x.shape[1] * x.dtype.itemsize))
    parts, told = [], 0.0
    query = sql("COPY {} FROM STDIN (FORMAT BINARY, FREEZE)", name)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        copy.write(HEADER)
        for first, values, labels in blocks(x, y, rows):
            copy.write(encode(values, labels, first))
            parts.append(totals(values, labels))
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                tell(first / len(x), f"{first} of {len(x)} rows")
        copy.write(TRAILER)
    return added(parts)


def _sums(connection: Any, name: str, columns: int) -> Totals:
    """Return the totals of a table as the database itself finds them."""
    heads = [*(f"x{one}" for one in range(columns)), "y"]
    each = ", ".join(f"sum({one}::double precision)" for one in heads)
    query = f"SELECT count(*), {each} FROM {{}}"  # noqa: S608  names of ours
    rows, *sums = connection.execute(sql(query, name)).fetchone()
    return Totals(rows, tuple(sums), tuple(0.0 for _ in sums))


def _note(connection: Any, table: Table) -> None:
    fields = dataclasses.asdict(table)
    fields.update(sums=list(table.sums), sizes=list(table.sizes))
    connection.execute("DELETE FROM loads WHERE name = %s", [table.name])
    names, places = ", ".join(fields), ", ".join(f"%({one})s" for one in fields)
    connection.execute(f"INSERT INTO loads ({names}) VALUES ({places})", fields)  # noqa: S608
