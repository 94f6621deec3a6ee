"""Prices of AWS as they were on one day: what is told where the price API does not answer.

Every price is in US dollars, without tax. On-demand prices are for Linux on shared machines.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

CURRENCY = "USD"
HOURS_A_MONTH = 730  # by which AWS turns prices for a month into prices for an hour

_TABLE = Path(__file__).with_suffix(".json")
_TYPE = re.compile(r"([a-z][a-z0-9-]*)\.([a-z0-9-]+)\Z")
# Within one family the price goes by the size; the table holds that of `large`.
_SIZES = {
    "nano": 1 / 16,
    "micro": 1 / 8,
    "small": 1 / 4,
    "medium": 1 / 2,
    "large": 1.0,
    "xlarge": 2.0,
}


def as_of() -> str:
    """Return the day of the table, in ISO 8601."""
    return str(_table()["as_of"])


def regions() -> tuple[str, ...]:
    """Return the regions that the table knows."""
    return tuple(sorted(_table()["regions"]))


def on_demand(region: str, instance_type: str) -> float | None:
    """Return the price of a machine and hour; None if the table does not know it."""
    prices = _table()["regions"].get(region, {})
    exact = prices.get("machines", {}).get(instance_type)
    if exact is not None:
        return float(exact)
    match = _TYPE.match(instance_type)
    large = prices.get("large", {}).get(match[1]) if match else None
    share = _share(match[2]) if match else None
    return round(large * share, 6) if large is not None and share is not None else None


def spot(region: str, instance_type: str) -> float | None:
    """Return a guess at the price of a spot machine and hour; None where there is none.

    Spot prices change by the hour: the table holds only the share of the on-demand price that
    is commonly paid, and errs on the dear side.
    """
    full = on_demand(region, instance_type)
    return round(full * float(_table()["spot_share"]), 6) if full is not None else None


def volume(region: str) -> float | None:
    """Return the price of a GiB of gp3 disk for a month; None if the table lacks the region."""
    return _of_region(region, "gp3_gib_month")


def storage(region: str) -> float | None:
    """Return the price of a GiB in a bucket for a month; None if the table lacks the region."""
    return _of_region(region, "s3_gib_month")


def address() -> float:
    """Return the price of a public IPv4 address for an hour; it is the same everywhere."""
    return float(_table()["address_hour"])


def _of_region(region: str, name: str) -> float | None:
    found = _table()["regions"].get(region, {}).get(name)
    return None if found is None else float(found)


def _share(size: str) -> float | None:
    many = re.match(r"([1-9][0-9]*)xlarge\Z", size)
    return 2.0 * int(many[1]) if many else _SIZES.get(size)


@functools.cache
def _table() -> Any:
    return json.loads(_TABLE.read_text(encoding="utf-8"))
