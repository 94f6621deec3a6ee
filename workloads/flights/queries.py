"""The questions that are asked of flight data, and what an answer is, in any library.

A question filters rows, groups them and takes the mean of a column. What any part of the rows
says is, for each group, how many rows there are, how many have a value, and the sum of these;
parts add up, so a form may cut the rows as it likes. All values are whole numbers, whose sums
are exact, so answers of all forms are equal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workloads.flights.columns import ordered

# Group: rows, rows that have a value, sum of the values.
Groups = dict[str, tuple[int, int, float]]
ALL = ""
DRAWS = 10
# What is not in the files: a weekday, of a date that three columns make, and a draw of 0 to 9,
# which every library computes alike, so that a sample has the same rows in all of them.
DERIVED: Mapping[str, tuple[str, ...]] = {
    "Weekday": ("Year", "Month", "DayofMonth"),
    "Draw": ("FlightNum", "Month", "DayofMonth"),
}
DRAW_WEIGHTS = (31, 7, 17)


@dataclass(frozen=True)
class Query:
    """Rows for which every condition of `where` holds, by the groups of `by`.

    Answers are the number of rows of each group and, where `of` is given, how many of them
    have a value there and its mean. A missing value keeps no condition.
    """

    by: str | None = None
    of: str | None = None
    where: tuple[tuple[str, str, Any], ...] = ()

    @property
    def mentioned(self) -> tuple[str, ...]:
        """The columns that the question names, derived ones among them."""
        names = [self.by, self.of, *(column for column, _, _ in self.where)]
        return tuple(dict.fromkeys(name for name in names if name is not None))

    @property
    def columns(self) -> list[str]:
        """The columns of the files that an answer needs, at least one."""
        found = [one for name in self.mentioned for one in DERIVED.get(name, (name,))]
        return ordered(found or ["Year"])

    @property
    def derived(self) -> tuple[str, ...]:
        """What has to be made from columns of the files."""
        return tuple(name for name in self.mentioned if name in DERIVED)


_FLOWN = ("Cancelled", "==", False)
QUERIES: Mapping[str, Query] = {
    "flights": Query(),
    "flown": Query(where=(_FLOWN,)),
    "flown-by-origin": Query("Origin", where=(_FLOWN,)),
    "delay-by-origin": Query("Origin", "DepDelay"),
    "delay-by-weekday": Query("Weekday", "DepDelay", (_FLOWN,)),
    "far-in-july": Query("Origin", "ArrDelay", (("Distance", ">", 1000), ("Month", "==", 7))),
    "sample": Query("Month", "Distance", (("Draw", "==", 0),)),
}


def merged(parts: Iterable[Groups]) -> Groups:
    """Return what all parts say together."""
    found: Groups = {}
    for part in parts:
        for group, (rows, values, total) in part.items():
            old = found.get(group, (0, 0, 0.0))
            found[group] = (old[0] + rows, old[1] + values, old[2] + total)
    return found


def figures(query: Query, groups: Groups) -> list[float]:
    """Return the answer as numbers: rows, values and mean of each group, in a fixed order.

    >>> figures(Query("Origin", "DepDelay"), {"LGA": (3, 2, 5.0), "JFK": (1, 0, 0.0)})
    [1.0, 0.0, 0.0, 3.0, 2.0, 2.5]
    """
    numbers: list[float] = []
    for group in sorted(groups):
        rows, values, total = groups[group]
        numbers.append(float(rows))
        if query.of is not None:
            numbers += [float(values), total / values if values else 0.0]
    return numbers or [0.0]
