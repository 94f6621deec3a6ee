"""Flights as an array: groups are numbers, so that a group-by is a count of numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workloads.flights.columns import KINDS, TEXT
from workloads.flights.queries import ALL, Groups

# Three capital letters of an airport, 5 bits each.
BITS, LETTERS = 5, 3
MOST_CODES = 1 << (BITS * LETTERS)


def codes(frame: Any, by: str | None) -> Any:
    """Return the group of each row of a dataframe of pandas, as a number."""
    import pandas as pd

    if by is None:
        return pd.Series(np.zeros(len(frame), dtype=np.int64), index=frame.index)
    if not _is_text(by):
        return frame[by].astype("int64")
    places, names = pd.factorize(frame[by])
    table = np.array([_code(str(name)) for name in names], dtype=np.int64)
    return pd.Series(table[places] if len(table) else places, index=frame.index)


def groups(by: str | None, counts: Sequence[Any]) -> Groups:
    """Return what counts by number say: rows and, where asked for, values and their sums."""
    rows, *others = counts
    values, totals = others or (np.zeros(len(rows)), np.zeros(len(rows)))
    return {
        _name(int(code), by): (int(rows[code]), int(values[code]), float(totals[code]))
        for code in np.flatnonzero(rows)
    }


def _is_text(by: str) -> bool:
    return KINDS.get(by) == TEXT


def _code(name: str) -> int:
    """Return an airport as a number; only names of three capital letters have one."""
    if len(name) != LETTERS or not all("A" <= letter <= "Z" for letter in name):
        raise ValueError(
            f"{name!r} is no airport of three capital letters, as form=array needs"
        )
    return sum((ord(letter) - 64) << (BITS * place) for place, letter in enumerate(name[::-1]))


def _name(code: int, by: str | None) -> str:
    if by is None:
        return ALL
    if not _is_text(by):
        return str(code)
    mask = (1 << BITS) - 1
    return "".join(
        chr(64 + (code >> (BITS * place) & mask)) for place in reversed(range(LETTERS))
    )
