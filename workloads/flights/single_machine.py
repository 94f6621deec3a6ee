"""The same answers by Polars and by DuckDB, which use one machine and need no dataframe."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workloads.flights import columns
from workloads.flights.bags import head_of
from workloads.flights.frames import OPERATORS
from workloads.flights.queries import ALL, DERIVED, DRAW_WEIGHTS, DRAWS, Groups, Query

_SIGNS = {"==": "=", ">": ">", "<": "<"}


def by_polars(
    files: Sequence[str], file_format: str, query: Query, names: Sequence[str]
) -> Groups:
    """Answer with a lazy query of Polars, which reads what it needs piece by piece."""
    # As many threads as the process was given for other libraries, told before the import.
    os.environ.setdefault("POLARS_MAX_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    import polars as pl

    if file_format == "parquet":
        table = pl.scan_parquet(list(files))
    else:
        table = pl.scan_csv(
            list(files),
            schema_overrides=columns.of_polars(list(columns.KINDS)),
            null_values=list(columns.MISSING),
        )
    table = table.select(list(names))
    if file_format == "csv":
        table = table.with_columns(pl.col(columns.flags(names)).cast(pl.Boolean))
    if "Weekday" in query.derived:
        table = table.with_columns(Date=pl.date("Year", "Month", "DayofMonth"))
        table = table.with_columns(Weekday=pl.col("Date").dt.weekday() - 1)
    if "Draw" in query.derived:
        parts = zip(DERIVED["Draw"], DRAW_WEIGHTS, strict=True)
        total = pl.sum_horizontal(pl.col(name) * weight for name, weight in parts)
        table = table.with_columns(Draw=total % DRAWS)
    for name, sign, value in query.where:
        table = table.filter(OPERATORS[sign](pl.col(name), value))
    wanted = [pl.len().alias("rows")]
    if query.of is not None:
        of = pl.col(query.of)
        wanted += [of.count().alias("values"), of.sum().alias("total")]
    grouped = table.select(wanted) if query.by is None else table.group_by(query.by).agg(wanted)
    found = grouped.collect(engine="streaming")
    return {
        ALL if query.by is None else str(row[query.by]): (
            int(row["rows"]), int(row.get("values", 0)), float(row.get("total") or 0.0)
        )
        for row in found.iter_rows(named=True)
    }  # fmt: skip


def by_duckdb(
    files: Sequence[str], file_format: str, query: Query, names: Sequence[str]
) -> Groups:
    """Answer with SQL, by DuckDB in this process."""
    import duckdb

    with duckdb.connect() as database:
        database.execute(f"SET threads TO {int(os.environ.get('OMP_NUM_THREADS', '1'))}")
        head = head_of(files[0]) if file_format == "csv" else None
        rows = database.execute(statement(query, names, head), [list(files)]).fetchall()
    return {
        str(group): (int(count), int(values), float(total or 0.0))
        for group, count, values, total in rows
    }


def statement(query: Query, names: Sequence[str], head: Sequence[str] | None) -> str:
    """Return the SQL of a question to CSV with that head, or without one to Parquet.

    Names in it are those of this package, and types of all columns: to guess them takes DuckDB
    a sample of each file, and more time than to read twelve files of 2 MB.
    """
    if head is None:
        source = "read_parquet($1)"
    else:
        options = f"columns={columns.of_duckdb(head)}, nullstr={list(columns.MISSING)}"
        source = f"read_csv($1, header=true, delim=',', auto_detect=false, {options})"
    made = {
        "Weekday": "isodow(make_date(Year, Month, DayofMonth)) - 1",
        "Draw": "(" + " + ".join(
            f"{name} * {weight}"
            for name, weight in zip(DERIVED["Draw"], DRAW_WEIGHTS, strict=True)
        ) + f") % {DRAWS}",
    }  # fmt: skip
    wanted = [*names, *(f"{made[name]} AS {name}" for name in query.derived)]
    tests = [f"{name} {_SIGNS[sign]} {_literal(value)}" for name, sign, value in query.where]
    of = query.of
    return (
        f"SELECT {query.by or repr(ALL)}, count(*), "  # noqa: S608
        f"{f'count({of}), sum({of})' if of else '0, 0'} "
        f"FROM (SELECT {', '.join(wanted)} FROM {source}) "
        f"WHERE {' AND '.join(tests) or 'true'} GROUP BY 1"
    )


def _literal(value: Any) -> str:
    return str(value).lower()


FORMS: Mapping[str, Callable[..., Groups]] = {"polars": by_polars, "duckdb": by_duckdb}
