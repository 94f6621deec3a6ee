"""What may be asked of the local machines; every error is told at once, before any work."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contracts.errors import UsageError
from contracts.schema import Problems

MOST_NODES = 64
LEAST_MEMORY = 256 * 1024**2
Door = Literal["fab", "pulumi"]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([kmgt]?)(?:i?b)?\Z", re.IGNORECASE)
_SCALE = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


@dataclass(frozen=True)
class LocalSettings:
    """The local machines that are wanted.

    `cpus` and `memory_bytes` are the limits of each machine. `door` is the way by which they
    are made, and the only one by which they are changed. `state` is the folder of keys and
    inventory. `image` is a node image, or None for the one made from the project's lock.
    `hourly_price` is notional, per machine and hour, for showing costs.
    """

    nodes: int
    cpus: float
    memory_bytes: int
    state: Path
    cluster_id: str = "local"
    door: Door = "fab"
    image: str | None = None
    hourly_price: float | None = None
    currency: str = "EUR"


def parse_local(
    given: Mapping[str, Any], *, state: Path, door: Door, source: str, next_step: str
) -> LocalSettings:
    """Check what a user asked for, as texts or numbers, and return the settings.

    `given` has `name`, `nodes`, `cpus`, `memory` and, if there is one, the `price` of a
    machine and hour, and its `currency`. `source` and `next_step` are for the error.

    Raises
    ------
    InvalidDocument
        With every problem at once, each naming the field, the value and the rule.
    """
    problems = Problems()
    known = ("name", "nodes", "cpus", "memory", "price", "currency")
    problems.unknown_keys("", given, known)
    price = given.get("price")
    values: dict[str, Any] = {
        "cluster_id": cluster_name(given.get("name", "local"), problems),
        "nodes": node_count(given.get("nodes"), problems),
        "cpus": _cpus(given.get("cpus"), problems),
        "memory_bytes": _memory(given.get("memory"), problems),
        "hourly_price": None if price is None else _price(price, problems),
        "currency": _currency(given.get("currency", "EUR"), problems),
    }
    problems.raise_if_any(source, next_step=next_step)
    return LocalSettings(state=state, door=door, **values)


def check_name(name: str) -> None:
    """Check a cluster's name alone, as `parse_local` does."""
    problems = Problems()
    cluster_name(name, problems)
    problems.raise_if_any("--name", next_step="--name local")


def check_fit(settings: LocalSettings, *, cpus: int, memory_bytes: int) -> None:
    """Check that machines of this size fit on a host of `cpus` and `memory_bytes`.

    CPU time may be shared out more than once; memory may not, or the host ends processes
    at random.

    Raises
    ------
    UsageError
        If they do not fit; the message says what would.
    """
    gib = 1024**3
    if settings.cpus > cpus:
        raise UsageError(
            f"cpus is {settings.cpus:g} a machine, and this computer has {cpus}.",
            next_step=f"ask for {cpus} CPUs a machine or fewer",
        )
    asked = settings.nodes * settings.memory_bytes
    if asked > memory_bytes:
        raise UsageError(
            f"{settings.nodes} machines of {settings.memory_bytes / gib:.2f} GiB take "
            f"{asked / gib:.1f} GiB of memory, and this computer has {memory_bytes / gib:.1f}.",
            next_step="ask for fewer machines, or for at most "
            f"{memory_bytes // settings.nodes // 1024**2}m of memory each",
        )


def parse_size(text: str) -> int | None:
    """Return the bytes that a text such as `3g`, `512m` or `2.5GiB` means; None if none."""
    match = _SIZE.match(text.strip())
    if match is None:
        return None
    return int(float(match[1]) * _SCALE[match[2].lower()])


def cluster_name(value: Any, problems: Problems) -> str | None:
    """Return a cluster's name, or None after noting what is wrong with it."""
    if isinstance(value, str) and _NAME.match(value):
        return value
    problems.add("name", f"must match ^[a-z][a-z0-9-]{{0,30}}$, is {value!r:.80}")
    return None


def number(value: Any) -> float | None:
    """Return the finite number that a value or its text means; None if none."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def node_count(value: Any, problems: Problems) -> int | None:
    """Return how many machines are wanted, or None after noting what is wrong."""
    found = number(value)
    if found is None or found != int(found) or not 1 <= found <= MOST_NODES:
        problems.add(
            "nodes", f"must be a whole number from 1 to {MOST_NODES}, is {value!r:.80}"
        )
        return None
    return int(found)


def _cpus(value: Any, problems: Problems) -> float | None:
    found = number(value)
    if found is None or not 0.05 <= found <= 1024:
        problems.add("cpus", f"must be a number from 0.05 to 1024, is {value!r:.80}")
        return None
    return found


def _memory(value: Any, problems: Problems) -> int | None:
    size = None if isinstance(value, bool) or value is None else parse_size(str(value))
    if size is None or not LEAST_MEMORY <= size <= 2**50:
        problems.add(
            "memory", f"must be a size of at least 256m, such as 3g or 512m, is {value!r:.80}"
        )
        return None
    return size


def _price(value: Any, problems: Problems) -> float | None:
    found = number(value)
    if found is None or found < 0:
        problems.add("price", f"must be a number from 0, is {value!r:.80}")
    return found


def _currency(value: Any, problems: Problems) -> str | None:
    if isinstance(value, str) and re.match(r"[A-Z]{3}\Z", value):
        return value
    problems.add("currency", f"must be three capital letters such as EUR, is {value!r:.80}")
    return None
