"""How a node is right now: load, memory, and what Tandem runs on it."""

from __future__ import annotations

import os
import time
from typing import Any

from provision.node import monitor, records
from provision.node.check import memory_bytes
from provision.node.program import Channel

LOOK_SECONDS = 0.3


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Return the CPU seconds used per second, the memory, and the state of each record."""
    home = os.path.join(os.path.expanduser("~"), ".tandem")
    before, used = time.monotonic(), monitor.cpu_seconds()
    time.sleep(LOOK_SECONDS)
    spent = (monitor.cpu_seconds() - used) / (time.monotonic() - before)
    found = {}
    for name in records.names(home):
        record = records.load(home, name)
        if record is not None:
            found[name] = {
                "complete": records.complete(record),
                "processes": len(records.members(record)),
                "missing": sorted(set(record["processes"]) - set(records.main_alive(record))),
            }
    return {
        "cpus_used": round(spent, 3),
        "memory_used": monitor.memory_used(),
        "memory_total": memory_bytes(),
        "records": found,
    }
