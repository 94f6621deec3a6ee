"""What a machine is used for: a driver, an SSH session, or a task of an engine."""

from __future__ import annotations

import glob
import os
import time
from typing import Any

from provision.node import records

# Dask's processes without work use a few hundredths of a CPU; a task takes what it gets.
BUSY_CPUS = 0.1
_RAY_IDLE = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent", "ray::log_monitor")
_HOMES = ("/home/*/.tandem", "/root/.tandem")


class Use:
    """Looks at the machine again and again; the first look knows no CPU time yet."""

    def __init__(self, homes: tuple[str, ...] = _HOMES) -> None:
        self._homes = homes
        self._spent: dict[tuple[int, int], float] = {}
        self._looked = time.monotonic()

    def now(self) -> str:
        """Return what uses the machine, or an empty text."""
        known = [
            record
            for pattern in self._homes
            for home in glob.glob(pattern)
            for name in records.names(home)
            if (record := records.load(home, name)) is not None
        ]
        processes = list(_processes())
        works = self._dask_works(known, processes)
        if any(one["name"].startswith("run-") and records.main_alive(one) for one in known):
            return "a driver"
        if any(is_session(one["title"], one["user"]) for one in processes):
            return "an SSH session"
        # A Ray process says by its name whether it has a task.
        works = works or any(is_ray_task(one["title"]) for one in processes)
        return "an engine task" if works else ""

    def _dask_works(self, known: list[dict[str, Any]], processes: list[dict[str, Any]]) -> bool:
        sessions = {one["session"] for one in known if one["name"] == "dask"}
        spent = {
            (one["pid"], one["born"]): one["cpu_seconds"]
            for one in processes
            if one["session"] in sessions
        }
        used = sum(max(0.0, now - self._spent.get(key, 0.0)) for key, now in spent.items())
        first, moment = not self._spent, time.monotonic()
        share = used / max(moment - self._looked, 0.1)
        self._spent, self._looked = spent, moment
        return not first and share > BUSY_CPUS


def is_session(title: str, user: int) -> bool:
    """Say whether a process serves an SSH session whose user was let in."""
    if not title.startswith(("sshd: ", "sshd-session: ")):
        return False
    return "@" in title or (user >= 1000 and "[" not in title)


def is_ray_task(title: str) -> bool:
    """Say whether a process is one of Ray's that has a task or holds an actor."""
    return title.startswith("ray::") and not title.startswith(_RAY_IDLE)


def _processes() -> Any:
    ticks = os.sysconf("SC_CLK_TCK")
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stream:
                text = stream.read().decode(errors="replace")
            with open(f"/proc/{entry}/cmdline", "rb") as stream:
                title = stream.read().replace(b"\x00", b" ").decode(errors="replace")
            user = os.stat(f"/proc/{entry}").st_uid
        except OSError:
            continue
        fields = text[text.rindex(")") + 2 :].split()
        yield {
            "pid": int(entry),
            "session": int(fields[3]),
            "born": int(fields[19]),
            "cpu_seconds": sum(map(int, fields[11:13])) / ticks,
            "title": title,
            "user": user,
        }
