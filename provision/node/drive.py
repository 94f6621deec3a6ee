"""Start, follow and end the driver of a run on this node; it lives on without the operator."""

from __future__ import annotations

import os
import time
from typing import Any

from provision.node import records
from provision.node.program import Channel, Failure, operator_left

RESULTS = "results.jsonl"
CHUNK = 256 * 1024
EVERY_SECONDS = 0.1
LOG_BYTES = 4000


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Do what `ask` says: launch, follow or stop."""
    home = os.path.join(os.path.expanduser("~"), ".tandem")
    work = {"launch": _launch, "follow": _follow, "stop": _stop}[request["ask"]]
    return work(home, request, channel)


def record_name(folder: str) -> str:
    """Return the name of the record of a run's driver."""
    return f"run-{folder}"


def _launch(home: str, request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Start the driver in a session of its own, unless it is already at work."""
    name = record_name(request["folder"])
    record = records.load(home, name)
    if record is not None and records.members(record):
        return {"started": False}
    path = os.path.join(home, "runs", request["folder"])
    if not os.path.isfile(os.path.join(path, "spec.json")):
        raise Failure(f"The run {request['folder']} has no specification on this node.")
    if os.fork() == 0:
        try:
            _become_driver(home, name, path, request)
        finally:
            os._exit(1)
    return {"started": True}


def _become_driver(home: str, name: str, path: str, request: dict[str, Any]) -> None:
    """Record this process as the driver, then turn into it; pid and start time stay."""
    record = records.begin(home, name, request["folder"])
    records.add(record, "driver", os.getpid())
    record["state"] = "ready"
    records.save(home, record)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log = os.open(os.path.join(path, "driver.log"), flags, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.chdir(path)
    python = request["python"]
    arguments = [python, "-m", "workloads.driver", os.path.join(path, "spec.json")]
    inherited = {key: os.environ[key] for key in ("HOME", "USER", "LANG") if key in os.environ}
    os.execve(python, arguments, {**inherited, **request["environment"]})  # noqa: S606


def _follow(home: str, request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Send what the driver writes, from `offset` on, until it ended or `seconds` passed."""
    path = os.path.join(home, "runs", request["folder"], RESULTS)
    offset, give_up = request["offset"], time.monotonic() + request["seconds"]
    while True:
        alive = _alive(home, request["folder"])
        while True:
            data = _read(path, offset)
            if not data:
                break
            offset += len(data)
            # Bytes travel as the characters of the same number, so that none is changed.
            channel.tell(data=data.decode("latin-1"))
        late = time.monotonic() > give_up
        if not alive or late or operator_left():
            return {"ended": not alive, "offset": offset}
        time.sleep(EVERY_SECONDS)


def _stop(home: str, request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """End the driver and its processes; return how many there were."""
    try:
        name = record_name(request["folder"])
        return {"ended": len(records.stop(home, name, grace=request["grace"]))}
    except TimeoutError as error:
        raise Failure(str(error), kind="deadline") from error


def _alive(home: str, folder: str) -> bool:
    record = records.load(home, record_name(folder))
    return record is not None and bool(records.main_alive(record))


def _read(path: str, offset: int) -> bytes:
    try:
        with open(path, "rb") as stream:
            stream.seek(offset)
            return stream.read(CHUNK)
    except FileNotFoundError:
        return b""
