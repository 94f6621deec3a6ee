"""The processes of the test bed's cloud: started once, known by their ids, ended by them."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.doubles.openstack import configuration
from tests.doubles.openstack.environment import plugins
from tests.doubles.openstack.places import HERE, HOST, Bed

START_SECONDS = 240.0
STOP_SECONDS = 20.0
# Python complains of a process that still runs when nobody holds it any more.
_HELD: list["subprocess.Popen[bytes]"] = []


def start(bed: Bed, name: str, command: Sequence[str], folder: Path | None = None) -> None:
    """Start a process that outlives this one, unless it runs already."""
    if alive(bed, name):
        return
    with open(bed.run / "log" / f"{name}.out", "ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(bed),
            start_new_session=True,
        )
    _HELD.append(process)
    (bed.run / "pids" / name).write_text(f"{process.pid} {_born(process.pid)}")


def environment(bed: Bed) -> dict[str, str]:
    """Return what services need to find their files and our drivers."""
    path = os.pathsep.join((str(HERE / "services"), str(plugins(bed))))
    ours = {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **configuration.variables(bed), **ours}


def await_port(bed: Bed, name: str, service: str) -> None:
    """Wait until a process answers on the port of its service."""
    _await(bed, name, lambda: _answers(bed.port(service)), f"port {bed.port(service)}")


def await_socket(bed: Bed, name: str, path: Path) -> None:
    """Wait until a process answers on a socket in the bed's folder."""

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path))
            return True
        return False

    _await(bed, name, answers, str(path))


def _await(bed: Bed, name: str, answers: Callable[[], bool], where: str) -> None:
    give_up = time.monotonic() + START_SECONDS
    while not answers():
        if not alive(bed, name) or time.monotonic() > give_up:
            log = bed.run / "log" / f"{name}.out"
            last = log.read_text(errors="replace")[-1500:]
            raise RuntimeError(f"{name} did not answer on {where}:\n{last}")
        time.sleep(0.1)


def alive(bed: Bed, name: str) -> bool:
    """Say whether the process that was started under a name still runs."""
    return _pid(bed, name) is not None


def stop(bed: Bed) -> None:
    """End all that was started, the youngest first."""
    folder = bed.run / "pids"
    files = sorted(folder.glob("*"), key=lambda one: -one.stat().st_mtime)
    for kind, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        for file in files:
            if pid := _pid(bed, file.name):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, kind)
        give_up = time.monotonic() + seconds
        while any(alive(bed, file.name) for file in files) and time.monotonic() < give_up:
            time.sleep(0.1)
    for file in files:
        file.unlink()
    for process in _HELD:
        process.poll()


def _pid(bed: Bed, name: str) -> int | None:
    """Return a process's id, if that is still the process which was started."""
    try:
        pid, born = (bed.run / "pids" / name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _born(int(pid)) == born else None


def _born(pid: int) -> str:
    """Return when a process began; nothing for one that is gone or waits to be buried."""
    try:
        with open(f"/proc/{pid}/stat") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False
