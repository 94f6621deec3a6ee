"""The last lines of what Tandem's processes wrote on this node, and then what follows."""

from __future__ import annotations

import glob
import os
import time
from typing import Any

from provision.node.program import Channel, operator_left

PATTERNS = (
    "logs/*.log",
    "ray/session_latest/logs/gcs_server.out",
    "ray/session_latest/logs/gcs_server.err",
    "ray/session_latest/logs/raylet.out",
    "ray/session_latest/logs/raylet.err",
    "ray/session_latest/logs/dashboard.out",
    "ray/session_latest/logs/dashboard.err",
    "runs/*/driver.log",
)
RUNS_SHOWN = 1
TAIL_BYTES = 64 * 1024
EVERY_SECONDS = 0.5


def main(request: dict[str, Any], channel: Channel) -> bool:
    """Send the last lines of each file; with `seconds` above 0, go on for that long."""
    home = os.path.join(os.path.expanduser("~"), ".tandem")
    ends: dict[str, int] = {}
    for path in files(home):
        lines, ends[path] = _tail(path, request["lines"])
        if lines:
            channel.tell(file=os.path.relpath(path, home), lines=lines)
    give_up = time.monotonic() + request["seconds"]
    while time.monotonic() < give_up and not operator_left():
        time.sleep(EVERY_SECONDS)
        for path in files(home):
            lines, ends[path] = _news(path, ends.get(path, 0))
            if lines:
                channel.tell(file=os.path.relpath(path, home), lines=lines)
    return True


def files(home: str) -> list[str]:
    """Return the log files of this node; of runs only the newest."""
    found = []
    for pattern in PATTERNS:
        matching = sorted(glob.glob(os.path.join(home, pattern)), key=os.path.getmtime)
        found += matching[-RUNS_SHOWN:] if pattern.startswith("runs/") else sorted(matching)
    return found


def _tail(path: str, count: int) -> tuple[list[str], int]:
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        stream.seek(max(0, size - TAIL_BYTES))
        text = stream.read(TAIL_BYTES).decode(errors="replace")
    return text.splitlines()[-count:], size


def _news(path: str, start: int) -> tuple[list[str], int]:
    size = os.path.getsize(path)
    if size <= start:
        return [], size
    with open(path, "rb") as stream:
        stream.seek(start)
        data = stream.read(TAIL_BYTES)
    whole = data[: data.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), start + len(whole)
