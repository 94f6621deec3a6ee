"""How many rows there are and what their columns sum to: the same on both sides of a way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError

# Sums of the same numbers in another order differ by roundings, which are far smaller.
SUM_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Totals:
    """How many rows there are, and the sums of their columns, the label's last."""

    rows: int
    sums: tuple[float, ...]
    sizes: tuple[float, ...]


def totals(x: NDArray[Any], y: NDArray[Any]) -> Totals:
    """Return the totals of some rows."""
    wide = x.astype(np.float64)
    sums, sizes = wide.sum(axis=0), np.abs(wide).sum(axis=0)
    labels = float(y.sum()), float(np.abs(y).sum())
    return Totals(len(x), (*sums.tolist(), labels[0]), (*sizes.tolist(), labels[1]))


def added(parts: Sequence[Totals]) -> Totals:
    """Return the totals of all parts together."""
    sums, sizes = (
        tuple(np.sum([getattr(one, key) for one in parts], axis=0).tolist())
        for key in ("sums", "sizes")
    )
    return Totals(sum(one.rows for one in parts), sums, sizes)


def check_same(loaded: Totals, found: Totals, where: str) -> None:
    """Refuse rows that are not those that were loaded.

    Raises
    ------
    TandemError
        With the first difference.
    """
    if found.rows != loaded.rows:
        raise TandemError(f"{where} has {found.rows} rows, and {loaded.rows} were loaded.")
    for column, (one, other) in enumerate(zip(found.sums, loaded.sums, strict=True)):
        if abs(one - other) > SUM_TOLERANCE * max(1.0, loaded.sizes[column]):
            name = "y" if column == len(loaded.sums) - 1 else f"x{column}"
            raise TandemError(f"{where} sums {name} to {one!r}, and {other!r} was loaded.")
