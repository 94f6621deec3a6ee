"""A small process that writes down, each second, what the machine uses and what it moves.

That is its CPU and memory, and the bytes that its network interfaces sent and received.
Samples carry the monotonic clock of the machine, so that they are read by age and a wrong wall
clock does no harm.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from provision.node import records
from provision.node.program import Channel

NAME = "monitor"
FILE = "monitor.jsonl"
MOST_BYTES = 1 << 20
EVERY_SECONDS = 1.0
VALUES = 5  # the moment, CPU share, memory, bytes sent, bytes received
_NANOSECOND = 1e-9


def start(home: str, request: dict[str, Any]) -> None:
    """Start the monitor in a process of its own; `request` has `spec` and `cpus`."""
    records.stop(home, NAME, grace=1.0)
    if os.fork():
        os.wait()
        return
    try:
        if os.fork():
            os._exit(0)
        record = records.begin(home, NAME, request["spec"])
        records.add(record, NAME, os.getpid())
        record["state"] = "ready"
        records.save(home, record)
        _detach()
        _sample_for_ever(os.path.join(home, FILE), request["cpus"])
    finally:
        os._exit(1)


def main(request: dict[str, Any], channel: Channel) -> list[list[float]]:
    """Return the samples of the last `seconds`, oldest first.

    Each has its age, the CPU share, the memory, and all that was sent and received since the
    machine began. The call waits for a sample younger than itself, as long as one may take:
    what just ended is in the samples to its end.
    """
    path = os.path.join(os.path.expanduser("~"), ".tandem", FILE)
    asked = time.monotonic()
    while True:
        samples = _samples(path)
        now = time.monotonic()
        if now - asked > 2 * EVERY_SECONDS or (samples and samples[-1][0] >= asked):
            break
        time.sleep(EVERY_SECONDS / 10)
    return [
        [round(now - at, 3), *values]
        for at, *values in samples
        if 0 <= now - at <= request["seconds"]
    ]


def _samples(path: str) -> list[list[float]]:
    """Return each sample in the files, oldest first; a line of another form is none."""
    found: list[list[float]] = []
    for name in (f"{path}.1", path):
        try:
            with open(name) as stream:
                lines = stream.read().splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                sample = json.loads(line)
            except ValueError:
                continue
            if isinstance(sample, list) and len(sample) == VALUES:
                found.append(sample)
    return found


def cpu_seconds() -> float:
    """Return the CPU seconds that this machine or container has used so far."""
    try:
        with open("/sys/fs/cgroup/cpu.stat") as stream:
            for line in stream:
                if line.startswith("usage_usec"):
                    return int(line.split()[1]) * 1e-6
    except OSError:
        pass
    try:
        with open("/sys/fs/cgroup/cpuacct/cpuacct.usage") as stream:
            return int(stream.read()) * _NANOSECOND
    except OSError:
        pass
    with open("/proc/stat") as stream:
        ticks = [int(field) for field in stream.readline().split()[1:]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks[:8]) - idle) / os.sysconf("SC_CLK_TCK")


def memory_used() -> int:
    """Return the bytes in use here, without what the kernel only caches."""
    for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory"):
        for total, key in (
            ("memory.current", "inactive_file"),
            ("memory.usage_in_bytes", "total_inactive_file"),
        ):
            try:
                with open(f"{folder}/{total}") as stream:
                    used = int(stream.read())
                with open(f"{folder}/memory.stat") as stream:
                    cached = dict(line.split() for line in stream).get(key, 0)
                return used - int(cached)
            except (OSError, ValueError):
                continue
    with open("/proc/meminfo") as stream:
        found = dict(line.split(":", 1) for line in stream)
    size, free = (int(found[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    return (size - free) * 1024


def moved(table: str = "/proc/net/dev") -> tuple[int, int]:
    """Return the bytes sent and received so far by all interfaces but the loopback.

    Parameters
    ----------
    table : str
        The kernel's table of interfaces: after a name and a colon, eight numbers of what was
        received and eight of what was sent, bytes first.
    """
    sent = received = 0
    with open(table) as stream:
        for line in stream:
            name, colon, numbers = line.partition(":")
            if colon and name.strip() != "lo":
                fields = numbers.split()
                received += int(fields[0])
                sent += int(fields[8])
    return sent, received


def _detach() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.chdir("/")


def _sample_for_ever(path: str, cpus: float) -> None:
    before, used = time.monotonic(), cpu_seconds()
    due = before
    while True:
        due += EVERY_SECONDS
        time.sleep(max(0.05, due - time.monotonic()))
        now, total = time.monotonic(), cpu_seconds()
        share = max(0.0, (total - used) / (now - before) / cpus)
        before, used = now, total
        line = json.dumps([round(now, 3), round(share, 4), memory_used(), *moved()])
        if os.path.exists(path) and os.path.getsize(path) > MOST_BYTES:
            os.replace(path, f"{path}.1")
        with open(path, "a") as stream:
            stream.write(line + "\n")
        if now - due > EVERY_SECONDS:
            due = now
