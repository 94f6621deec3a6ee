"""Instance types of EC2 and the regions that offer them, bundled: no call is needed to ask.

`python -m tests.aws_catalogue` writes the table anew.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class InstanceType:
    """One type of machine; `cpus` are virtual CPUs, `architecture` is as `uname -m` has it."""

    name: str
    cpus: int
    memory_bytes: int
    architecture: str
    gpus: int = 0


def regions() -> tuple[str, ...]:
    """Return the regions that the table knows, sorted."""
    return tuple(_table()["regions"])


def as_of() -> str:
    """Return the day on which the table was made, in ISO 8601."""
    return str(_table()["as_of"])


def find(name: str, region: str) -> InstanceType | None:
    """Return a type that the region offers; None if the table has no such offer."""
    row = _table()["types"].get(name)
    known = regions()
    if row is None or region not in known:
        return None
    cpus, mebibytes, architecture, gpus, offered = row
    if not int(offered, 16) >> known.index(region) & 1:
        return None
    return InstanceType(name, cpus, mebibytes * 1024**2, architecture, gpus)


def types_in(region: str) -> tuple[str, ...]:
    """Return the names of the types that a region offers."""
    return tuple(name for name in _table()["types"] if find(name, region))


def offered_in(name: str) -> tuple[str, ...]:
    """Return the regions that offer a type, none if there is no such type."""
    return tuple(region for region in regions() if find(name, region))


@functools.cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table
