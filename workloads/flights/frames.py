"""Answers from dataframes, in the words that pandas and Dask have in common."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

from workloads.flights import columns
from workloads.flights.queries import ALL, DERIVED, DRAW_WEIGHTS, DRAWS, Groups, Query

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}

_DATE = {"Year": "year", "Month": "month", "DayofMonth": "day"}


def csv_options(names: Sequence[str]) -> dict[str, Any]:
    """Return how pandas and Dask read CSV: these columns alone, of these types."""
    return {
        "usecols": list(names),
        "dtype": columns.of_pandas(names),
        "na_values": list(columns.MISSING),
    }


def read(files: Sequence[str], file_format: str, names: Sequence[str]) -> Any:
    """Return these columns of all files as one dataframe of pandas."""
    import pandas as pd

    if file_format == "parquet":
        return pd.concat([pd.read_parquet(one, columns=list(names)) for one in files])
    options = csv_options(names)
    return pd.concat([pd.read_csv(one, **options) for one in files], ignore_index=True)


def chosen(frame: Any, query: Query, to_datetime: Callable[..., Any]) -> Any:
    """Return the rows that a question asks for, with what it derives.

    Parameters
    ----------
    frame : DataFrame
        Of pandas or of Dask, with `to_datetime` of the same library.
    """
    if "Weekday" in query.derived:
        days = frame[list(_DATE)].rename(columns=_DATE)
        frame = frame.assign(Date=to_datetime(days))
        frame = frame.assign(Weekday=frame["Date"].dt.day_of_week)
    if "Draw" in query.derived:
        parts = zip(DERIVED["Draw"], DRAW_WEIGHTS, strict=True)
        total = sum(frame[name] * weight for name, weight in parts)
        frame = frame.assign(Draw=total % DRAWS)
    for name, sign, value in query.where:
        frame = frame[OPERATORS[sign](frame[name], value)]
    return frame


def aggregates(frame: Any, query: Query, **options: Any) -> tuple[Any, ...]:
    """Return rows, values and sum of each group of chosen rows; lazy where the frame is.

    `options` are those of a group-by that only Dask has.
    """
    if query.by is None:
        of = frame[query.of or query.columns[0]]
        return of.size, of.count(), (of.sum() if query.of else 0)
    grouped = frame.groupby(query.by)
    if query.of is None:
        return (grouped.size(**options),)
    return (grouped[query.of].agg(["size", "count", "sum"], **options),)


def groups(found: Sequence[Any], query: Query) -> Groups:
    """Return computed aggregates as what a part of the rows says."""
    if query.by is None:
        rows, values, total = found
        return {ALL: (int(rows), int(values), float(total))}
    (table,) = found
    if query.of is None:
        return {str(group): (int(rows), 0, 0.0) for group, rows in table.items()}
    return {
        str(one.Index): (int(one[1]), int(one[2]), float(one[3])) for one in table.itertuples()
    }


def answer(frame: Any, query: Query) -> Groups:
    """Return what a dataframe of pandas says."""
    import pandas as pd

    return groups(aggregates(chosen(frame, query, pd.to_datetime), query), query)
