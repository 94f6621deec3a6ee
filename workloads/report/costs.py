"""What a run costs: the hourly prices of the machines it used, for as long as it worked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workloads.sweeps.records import RunRecord


@dataclass(frozen=True)
class Prices:
    """The hourly price of each machine by name, in one currency; `assumed` if only what-if."""

    by_node: Mapping[str, float]
    currency: str
    assumed: bool = False

    def of_run(self, row: RunRecord) -> float | None:
        """Return what a run cost in work alone; None if a machine has no price."""
        if any(name not in self.by_node for name in row.machines) or not row.machines:
            return None
        hourly = sum(self.by_node[name] for name in row.machines)
        return hourly * (row.wall_seconds or 0.0) / 3600


def prices_of(machines: Sequence[Mapping[str, Any]]) -> Prices | None:
    """Return the prices that an inventory's machines carry; None unless all have one.

    Machines in different currencies have no common price.
    """
    currencies = {one.get("currency") for one in machines}
    found = {
        str(one["name"]): float(one["hourly_price"])
        for one in machines
        if one.get("hourly_price") is not None
    }
    if not found or len(found) < len(machines) or len(currencies) != 1:
        return None
    return Prices(found, str(next(iter(currencies)) or ""))


def assumed_prices(machines: Sequence[Mapping[str, Any]], price: float, unit: str) -> Prices:
    """Return the same price for each machine: what if a node-hour cost that."""
    return Prices({str(one["name"]): price for one in machines}, unit, assumed=True)


def amount(value: float, currency: str) -> str:
    """Return an amount of money with three significant digits, and never as 0 by rounding.

    >>> amount(12.3456, "USD"), amount(0.000123456, "SSC coins"), amount(0, "USD")
    ('12.3 USD', '0.000123 SSC coins', '0 USD')
    """
    if value == 0:
        return f"0 {currency}".strip()
    digits = max(0, 2 - _magnitude(value))
    return f"{value:.{digits}f} {currency}".strip()


def _magnitude(value: float) -> int:
    return int(f"{abs(value):e}".partition("e")[2])
