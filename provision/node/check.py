"""One look at a node: machine, clock, space, environment, code, credentials, processes."""

from __future__ import annotations

import glob
import hashlib
import os
import platform
import shutil
import socket
import time
from typing import Any

from provision.node import environment, records
from provision.node.program import Channel

SYSTEM_ENVIRONMENTS = "/opt/tandem/env"
TEMPORARY, SHARED_MEMORY = "/tmp", "/dev/shm"  # noqa: S108  only their sizes are read
_LISTEN = "0A"


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Return what the node is and has. Nothing is changed."""
    home = os.path.join(os.path.expanduser("~"), ".tandem")
    lock, code = request["lock"], request["code"]
    places = [f"{SYSTEM_ENVIRONMENTS}/{lock}", f"{home}/env/{lock}"]
    return {
        "home": home,
        "time": time.time(),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "release": platform.release(),
        "owns_address": _owns(request["address"]),
        "disk_free": _free(home),
        "temporary_free": _free(TEMPORARY),
        "shared_memory": _size(SHARED_MEMORY),
        "memory_bytes": memory_bytes(),
        "environments": [found for found in map(environment.inspect, places) if found],
        "can_write_system": os.access(SYSTEM_ENVIRONMENTS, os.W_OK),
        "uv": _uv(home),
        "code": environment.intact(os.path.join(home, "code", code)),
        "credentials": _digests(os.path.join(home, "credentials")),
        "records": {name: _record(home, name) for name in records.names(home)},
        "listening": sorted(_listening()),
    }


def memory_bytes() -> int:
    """Return how much memory this machine or container may use."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in (
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ):
        try:
            with open(name) as stream:
                return min(total, int(stream.read()))
        except (OSError, ValueError):
            continue
    return total


def _record(home: str, name: str) -> dict[str, Any]:
    record = records.load(home, name)
    if record is None:
        return {"spec": "", "state": "unreadable", "complete": False, "members": 0}
    return {
        "spec": record["spec"],
        "state": record["state"],
        "complete": records.complete(record),
        "members": len(records.members(record)),
    }


def _owns(address: str) -> bool:
    """Say whether this machine has the address, by trying to listen on it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _free(path: str) -> int:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize


def _size(path: str) -> int:
    try:
        space = os.statvfs(path)
    except OSError:
        return 0
    return space.f_blocks * space.f_frsize


def _uv(home: str) -> str | None:
    own = os.path.join(home, "tools", "uv")
    return own if os.access(own, os.X_OK) else shutil.which("uv")


def _digests(folder: str) -> dict[str, str]:
    found = {}
    for path in glob.glob(os.path.join(folder, "*")):
        if os.stat(path).st_mode & 0o777 == 0o600:
            with open(path, "rb") as stream:
                digest = hashlib.sha256(stream.read()).hexdigest()
            found[os.path.basename(path)] = digest
    return found


def _listening() -> set[int]:
    ports = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(name) as stream:
                lines = stream.read().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
