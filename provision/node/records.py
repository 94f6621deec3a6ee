"""Processes that Tandem started on this node, known by record and by nothing else.

A record names the session that a start made, and its main processes with their start times.
A pid alone proves nothing: it is compared with the time at which the process was started, so
that a later process with the same number is never touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from typing import Any

FOLDER = "run"


def folder(home: str) -> str:
    """Return the folder of records, made if need be."""
    path = os.path.join(home, FOLDER)
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def era() -> str:
    """Return what is different after a restart of the machine or of the container."""
    with open("/proc/sys/kernel/random/boot_id") as stream:
        boot = stream.read().strip()
    first = process(1)
    return f"{boot}:{first['born'] if first else 0}"


def process(pid: int | str) -> dict[str, Any] | None:
    """Return state, session and start time (clock ticks since boot); None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            text = stream.read().decode(errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    if fields[0] in ("Z", "X"):
        return None
    return {
        "pid": int(pid),
        "state": fields[0],
        "parent": int(fields[1]),
        "session": int(fields[3]),
        "born": int(fields[19]),
    }


def begin(home: str, name: str, spec: str, **detail: Any) -> dict[str, Any]:
    """Make this process the leader of a session and record that a start is under way."""
    with contextlib.suppress(PermissionError):
        os.setsid()
    own = process(os.getpid()) or {}
    record = {
        "name": name,
        "spec": spec,
        "state": "starting",
        "era": era(),
        "session": own["session"],
        "born": own["born"],
        "processes": {},
        "detail": detail,
        "since": time.time(),
    }
    save(home, record)
    return record


def add(record: dict[str, Any], name: str, pid: int) -> None:
    """Note a main process of a start."""
    found = process(pid)
    if found is not None:
        record["processes"][name] = [pid, found["born"]]


def save(home: str, record: dict[str, Any]) -> None:
    """Write a record so that a reader sees all of it or the one before."""
    path = os.path.join(folder(home), f"{record['name']}.json")
    temporary = f"{path}.{os.getpid()}.part"
    with open(temporary, "w") as stream:
        json.dump(record, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def load(home: str, name: str) -> dict[str, Any] | None:
    """Return a record, or None if there is none that can be read."""
    try:
        with open(os.path.join(home, FOLDER, f"{name}.json")) as stream:
            record = json.load(stream)
        known = {"name", "spec", "state", "era", "session", "born", "processes"}
        return record if isinstance(record, dict) and known <= set(record) else None
    except (OSError, ValueError):
        return None


def names(home: str) -> list[str]:
    """Return the names of all records."""
    with contextlib.suppress(OSError):
        found = os.listdir(os.path.join(home, FOLDER))
        return sorted(name[:-5] for name in found if name.endswith(".json"))
    return []


def main_alive(record: dict[str, Any]) -> list[str]:
    """Return the names of the main processes that are alive, by pid and start time."""
    if record["era"] != era():
        return []
    alive = []
    for name, (pid, born) in record["processes"].items():
        found = process(pid)
        if found is not None and found["born"] == born:
            alive.append(name)
    return alive


def complete(record: dict[str, Any]) -> bool:
    """Say whether a start ended well and all of its main processes are alive."""
    alive = main_alive(record)
    return record["state"] == "ready" and len(alive) == len(record["processes"]) > 0


def members(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every living process of a start: its session's, and no other.

    Where the number of the session was given to a later session, the record owns nothing
    any more. This process itself is never among them.
    """
    if record["era"] != era():
        return []
    leader = process(record["session"])
    if leader is not None and leader["born"] != record["born"]:
        return []
    found = []
    for entry in os.listdir("/proc"):
        one = process(entry) if entry.isdigit() else None
        if one is None or one["session"] != record["session"] or one["pid"] == os.getpid():
            continue
        if one["born"] >= record["born"] and os.stat(f"/proc/{entry}").st_uid == os.getuid():
            found.append(one)
    return found


def stop(home: str, name: str, *, grace: float, hard: float = 5.0) -> list[int]:
    """End all processes of a record and forget it; return the pids that were ended.

    They are asked first, and after `grace` seconds forced. Raises TimeoutError if a process
    is still there `hard` seconds later.
    """
    record = load(home, name)
    if record is None:
        _forget(home, name)
        return []
    ended = [one["pid"] for one in _living(record)]
    _signal(record, signal.SIGTERM)
    _wait_gone(record, grace)
    give_up = time.monotonic() + hard
    while _living(record):
        _signal(record, signal.SIGKILL)
        _wait_gone(record, 0.2)
        if time.monotonic() > give_up:
            left = [one["pid"] for one in _living(record)]
            raise TimeoutError(f"processes {left} of {name} do not end, not even by SIGKILL")
    _forget(home, name)
    return ended


def _living(record: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        return members(record)
    except OSError:
        return []


def _signal(record: dict[str, Any], number: int) -> None:
    for one in _living(record):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(one["pid"], number)
            if one["state"] == "T":
                os.kill(one["pid"], signal.SIGCONT)


def _wait_gone(record: dict[str, Any], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while _living(record) and time.monotonic() < give_up:
        time.sleep(0.02)


def _forget(home: str, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(home, FOLDER, f"{name}.json"))
