"""Flights as a bag: each row a table of Python, which is what a bag costs and is for."""

import csv
import datetime
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from workloads.flights import columns
from workloads.flights.columns import FLAG, KINDS, NUMBER, TEXT, WHOLE
from workloads.flights.frames import OPERATORS
from workloads.flights.queries import ALL, DERIVED, DRAW_WEIGHTS, DRAWS, Query

Row = Mapping[str, Any]
Part = tuple[int, int, float]
NOTHING: Part = (0, 0, 0.0)
_READ: Mapping[str, Callable[[str], Any]] = {
    WHOLE: int,
    NUMBER: float,
    TEXT: str,
    FLAG: lambda text: text == "1",
}


def head_of(path: str) -> list[str]:
    """Return the names of the columns of a CSV file in their order; none of an empty file."""
    with open(path, newline="", encoding="utf-8", errors="replace") as stream:
        return next(csv.reader(stream), [])


def rows_of_lines(
    lines: Iterable[str], head: Sequence[str], names: Sequence[str]
) -> Iterator[Row]:
    """Yield the rows of lines of CSV, whose head is left out; None where a value is missing."""
    places = [(name, head.index(name), _READ[KINDS[name]]) for name in names]
    for values in csv.reader(lines):
        if values and values != head:
            yield {
                name: None if values[place] in columns.MISSING else read(values[place])
                for name, place, read in places
            }


def rows_of_tables(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows of a dataframe with None where a value is missing."""
    for row in rows:
        yield {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in row.items()
        }


def asked(rows: Iterable[Row], query: Query) -> Iterator[tuple[str, float | None]]:
    """Yield the group and the value of each row that a question asks for."""
    for row in rows:
        made = {**row, **{name: _DERIVE[name](row) for name in query.derived}}
        if all(
            made[name] is not None and OPERATORS[sign](made[name], value)
            for name, sign, value in query.where
        ):
            group = ALL if query.by is None else str(made[query.by])
            yield group, None if query.of is None else made[query.of]


def group(pair: tuple[str, float | None]) -> str:
    """Return the group of what `asked` yields."""
    return pair[0]


def counted(part: Part, pair: tuple[str, float | None]) -> Part:
    """Return what rows say, with one row more."""
    rows, values, total = part
    value = pair[1]
    return (rows + 1, values, total) if value is None else (rows + 1, values + 1, total + value)


def added(one: Part, other: Part) -> Part:
    """Return what two parts of the rows say together."""
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _weekday(row: Row) -> int:
    return datetime.date(row["Year"], row["Month"], row["DayofMonth"]).weekday()


def _draw(row: Row) -> int:
    pairs = zip(DERIVED["Draw"], DRAW_WEIGHTS, strict=True)
    return int(sum(row[name] * weight for name, weight in pairs)) % DRAWS


_DERIVE: Mapping[str, Callable[[Row], Any]] = {"Weekday": _weekday, "Draw": _draw}
