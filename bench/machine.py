"""Facts of the machine that measured, and files that keep a measurement with them."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.files import write_json

RESULTS = Path(__file__).parent / "results"


def facts() -> dict[str, Any]:
    """Return what a reader needs to judge a figure: processor, cores, memory, load, commit."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False, timeout=10,
    ).stdout.strip()  # fmt: skip
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "commit": commit,
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return median, least and greatest of repeated measurements, and the values."""
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "values": [round(value, 3) for value in values],
    }


def keep(name: str, machine: dict[str, Any], figures: dict[str, Any]) -> Path:
    """Write a measurement to `bench/results/NAME.json` and return the path."""
    path = RESULTS / f"{name}.json"
    machine = {**machine, "load_after": os.getloadavg()[0]}
    write_json(path, {"machine": machine, "figures": figures})
    return path
