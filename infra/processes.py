"""Processes that we started, told apart from later ones that got the same number."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Started:
    """One process: its number, and when it started in clock ticks since boot."""

    pid: int
    ticks: int


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name is in brackets and may hold spaces; the fields are counted after it.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def is_alive(started: Started) -> bool:
    """Say whether that very process still runs."""
    return started.ticks > 0 and start_ticks(started.pid) == started.ticks


def read_record(path: Path) -> Started | None:
    """Return the process that a record names; None if there is no whole record."""
    try:
        document = json.loads(path.read_text())
        return Started(int(document["pid"]), int(document["start_ticks"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
