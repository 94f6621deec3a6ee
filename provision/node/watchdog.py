"""Ends this machine when its time is up or nobody uses it; no credentials and no network.

It is root's, is started at every boot and by every bring-up, and shuts the machine down, which
in most clouds means that the machine is gone; where not, the head deletes all before. Two
limits stand in `/etc/tandem/limits.json`:

- a moment (or seconds since the first start) after which the machine ends;
- the seconds in a row without any use after which it ends.

    python3 watchdog.pyz install     start it, or the newer of two; again: nothing to do
    python3 watchdog.pyz set         take over the limits on standard input, then install
    python3 watchdog.pyz watch       what `install` starts
    python3 watchdog.pyz prove       see that the cluster's machines may be deleted from here
    python3 watchdog.pyz save ...    what `watch` has done last, where there is a bucket
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from provision.node import machine_delete, machine_end, watchdog_service
from provision.node.machine_use import Use

# A machine whose limits cannot be read must not live for ever.
FALLBACK = {"expires_at": None, "ttl_seconds": 12 * 3600, "idle_seconds": 3600}
# What was told once stays: the last work, and what deletes the machines of the cluster.
_KEPT = ("before", "ending")
LONGEST_LOOK_SECONDS = 10.0
SHORTEST_LOOK_SECONDS = 0.2
_LOG = "/var/log/tandem-watchdog.log"
# EC2's id of the instance, where the hypervisor tells it, and what the system calls itself.
_WHO = ("/sys/class/dmi/id/board_asset_tag", "/etc/machine-id")


@dataclass(frozen=True)
class Files:
    """Where the watchdog reads and writes; `report` is of this boot only."""

    limits: str = "/etc/tandem/limits.json"
    first_start: str = "/var/lib/tandem/first_start.json"
    report: str = "/run/tandem-watchdog.json"


def watch(end: Callable[[str], None], files: Files, use: Use) -> None:
    """Look at limits and use for ever; call `end` with the reason each time one is met."""
    limits: dict[str, Any] = dict(FALLBACK)
    last_use = time.monotonic()
    while True:
        limits = read_limits(files.limits) or limits
        found, now = use.now(), time.monotonic()
        last_use = now if found else last_use
        idle, most = now - last_use, limits["idle_seconds"]
        left = seconds_left(limits, files.first_start)
        report = {"seconds_left": left, "use": found, "idle": idle, "idle_limit": most}
        watchdog_service.write(files.report, json.dumps({**report, "at": time.time()}), 0o644)
        if left is not None and left <= 0:
            end("its time is up")
        elif most is not None and idle >= most:
            end(f"nobody used it for {most:.0f} s")
        looks = [LONGEST_LOOK_SECONDS]
        looks += [] if left is None else [left]
        looks += [] if most is None else [most - idle, most / 5]
        time.sleep(max(SHORTEST_LOOK_SECONDS, min(looks)))


def seconds_left(limits: dict[str, Any], first_start: str) -> float | None:
    """Return the seconds until this machine's time is up; None if there is no such limit."""
    if limits["expires_at"] is not None:
        return float(limits["expires_at"]) - time.time()
    if limits["ttl_seconds"] is None:
        return None
    return float(limits["ttl_seconds"]) - _age(first_start)


def read_limits(path: str) -> dict[str, Any] | None:
    """Return the limits that a file holds, or None if it holds none that can be used."""
    try:
        with open(path) as stream:
            found = json.load(stream)
        numbers = {key: found.get(key) for key in FALLBACK}
        if all(one is None or float(one) >= 0 for one in numbers.values()):
            return {**numbers, **{key: found.get(key) for key in _KEPT}}
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    return None


def _age(path: str) -> float:
    """Return the seconds since the first start, which is noted where it is not yet.

    Within a boot the boot's own clock counts, because at a first start the clock on the wall
    may still be wrong. A note that came with a copy of another machine's disk is none.
    """
    boot = watchdog_service.text("/proc/sys/kernel/random/boot_id").strip()
    machine = " ".join(watchdog_service.text(one).strip() for one in _WHO)
    wall, ticking = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        noted = json.loads(watchdog_service.text(path))
        if noted["machine"] != machine:
            raise ValueError(noted["machine"])
        same = noted["boot"] == boot
        return float(ticking - noted["ticking"] if same else wall - noted["wall"])
    except (ValueError, KeyError, TypeError):
        note = {"machine": machine, "boot": boot, "wall": wall, "ticking": ticking}
        watchdog_service.write(path, json.dumps(note), 0o600)
        return 0.0


def main(arguments: list[str]) -> None:
    """Do what the one argument says."""
    os.umask(0o077)
    files, program = Files(), os.path.abspath(sys.argv[0])
    if arguments[:1] == ["save"]:
        from provision.node import store  # with the environment's Python, which has boto3

        print(store.save(*arguments[1:]))
        return
    if arguments == ["set"]:
        wanted = json.load(sys.stdin)
        known = read_limits(files.limits) or {}
        wanted = {**{key: known.get(key) for key in _KEPT}, **wanted}
        watchdog_service.write(files.limits, json.dumps(wanted), 0o600)
    if arguments == ["prove"]:
        print(machine_delete.prove((read_limits(files.limits) or {})["ending"]))
    elif arguments in (["set"], ["install"]):
        print(watchdog_service.install(program))
    elif watchdog_service.hold(program) is not None:
        _log("watching")
        watch(lambda reason: _end(reason, files), files, Use())


def _end(reason: str, files: Files) -> None:
    _log(f"shutting down: {reason}")
    known = read_limits(files.limits) or {}
    machine_end.last_work(known.get("before"), _log)
    machine_delete.delete_all(known.get("ending"), _log)
    machine_end.power_off(_log)


def _log(words: str) -> None:
    with contextlib.suppress(OSError), open(_LOG, "a") as stream:
        stream.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {words}\n")
