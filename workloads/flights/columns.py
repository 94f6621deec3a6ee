"""The columns of flight data as the public archive has them, and their types in each library.

A number that may be missing is a float in pandas, where whole numbers know no missing value;
so it is one everywhere. Types are given to every reader: a guess from the first rows of a file
goes wrong where a column is empty for years and filled later, as in this archive.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WHOLE, NUMBER, TEXT, FLAG = "whole", "number", "text", "flag"
MISSING = ("NA", "")

KINDS: Mapping[str, str] = {
    "Year": WHOLE,
    "Month": WHOLE,
    "DayofMonth": WHOLE,
    "DayOfWeek": WHOLE,
    "DepTime": NUMBER,
    "CRSDepTime": NUMBER,
    "ArrTime": NUMBER,
    "CRSArrTime": NUMBER,
    "UniqueCarrier": TEXT,
    "FlightNum": WHOLE,
    "TailNum": TEXT,
    "ActualElapsedTime": NUMBER,
    "CRSElapsedTime": NUMBER,
    "AirTime": NUMBER,
    "ArrDelay": NUMBER,
    "DepDelay": NUMBER,
    "Origin": TEXT,
    "Dest": TEXT,
    "Distance": NUMBER,
    "TaxiIn": NUMBER,
    "TaxiOut": NUMBER,
    "Cancelled": FLAG,
    "Diverted": FLAG,
}
_PANDAS = {WHOLE: "int32", NUMBER: "float64", TEXT: "str", FLAG: "bool"}
_DUCKDB = {WHOLE: "INTEGER", NUMBER: "DOUBLE", TEXT: "VARCHAR", FLAG: "BOOLEAN"}


def ordered(names: Iterable[str]) -> list[str]:
    """Return columns in the order of the archive."""
    wanted = set(names)
    return [name for name in KINDS if name in wanted]


def of_pandas(names: Sequence[str]) -> dict[str, str]:
    """Return the types of pandas, which are those of Dask's dataframes."""
    return {name: _PANDAS[KINDS[name]] for name in names}


def of_duckdb(names: Sequence[str]) -> dict[str, str]:
    """Return the types of DuckDB; columns that nobody asks for are texts."""
    return {name: _DUCKDB[KINDS.get(name, TEXT)] for name in names}


def of_arrow(names: Sequence[str]) -> dict[str, Any]:
    """Return the types of Arrow, which are those of Parquet files and of Ray Data."""
    import pyarrow as pa

    types = {WHOLE: pa.int32(), NUMBER: pa.float64(), TEXT: pa.string(), FLAG: pa.bool_()}
    return {name: types[KINDS[name]] for name in names}


def of_polars(names: Sequence[str]) -> dict[str, Any]:
    """Return the types with which Polars reads CSV; a flag is a number there until cast."""
    import polars as pl

    types = {WHOLE: pl.Int32, NUMBER: pl.Float64, TEXT: pl.String, FLAG: pl.Int8}
    return {name: types[KINDS[name]] for name in names}


def flags(names: Iterable[str]) -> list[str]:
    """Return the columns that are true or false."""
    return [name for name in names if KINDS[name] == FLAG]


def arrow_options(names: Sequence[str]) -> dict[str, Any]:
    """Return how Arrow reads CSV: these columns alone, of these types."""
    from pyarrow import csv

    convert = csv.ConvertOptions(
        column_types=of_arrow(names),
        include_columns=list(names),
        null_values=list(MISSING),
        strings_can_be_null=True,
        true_values=["1"],
        false_values=["0"],
    )
    return {"convert_options": convert}
