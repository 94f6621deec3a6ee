"""Python programs that begin with their imports done: forked off a process that has them.

Pulumi's provider for AWS takes seconds to import, and a test of a stack starts a program and
two plugins for each step. A program sees its own arguments, folder, variables and files.
"""

import contextlib
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START_SECONDS = 600
_MOST = 1 << 20


class WarmProcess:
    """One program under way, as far as `subprocess.Popen` is used here."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self._status = status
        self.returncode: int | None = None

    def __enter__(self) -> "WarmProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self.wait()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code, or the signal below 0."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            told = os.read(self._status, 16)
            os.close(self._status)
            # Who was killed says nothing.
            self.returncode = int(told) if told else -signal.SIGKILL
        return self.returncode

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self.returncode is None and not select.select([self._status], [], [], 0)[0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class WarmPython:
    """Starts Python programs; called as `subprocess.Popen` is."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._lock = threading.Lock()

    def __call__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: int,
        stderr: int = 2,
    ) -> WarmProcess:
        """Start `python FILE ...` or `python -m MODULE ...`."""
        status, told = os.pipe()
        request = json.dumps([list(command), str(cwd), dict(env)]).encode()
        try:
            with self._lock:
                socket.send_fds(self._line, [request], [stdout, stderr, told])
                pid = int(self._line.recv(16))
        finally:
            os.close(told)
        return WarmProcess(pid, status)


@contextlib.contextmanager
def warm_python(modules: Sequence[str]) -> Iterator[WarmPython]:
    """Run a process that has these modules; it ends with the block, what it started may not."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, __file__, str(theirs.fileno()), *modules]
    with ours, subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        ours.settimeout(START_SECONDS)
        try:
            if ours.recv(16) != b"ready":
                raise RuntimeError(f"cannot import {', '.join(modules)}")
            yield WarmPython(ours)
        finally:
            process.kill()


def main() -> None:
    """Fork a child for each request, until the other side ends."""
    line = socket.socket(fileno=int(sys.argv[1]))
    sys.path.insert(0, str(ROOT))
    for name in sys.argv[2:]:
        importlib.import_module(name)
    # Nobody waits for the children here: each says itself how it ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    line.send(b"ready")
    while True:
        request, files, _, _ = socket.recv_fds(line, _MOST, 3)
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            line.close()
            _be(*json.loads(request), files)
        for one in files:
            os.close(one)
        line.send(str(pid).encode())


def _be(command: list[str], folder: str, environment: dict[str, str], files: list[int]) -> None:
    """Become the program, and end with it."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for number, name in ((1, "stdout"), (2, "stderr")):
            raw: Any = os.fdopen(number, "wb", 0, closefd=False)
            setattr(sys, name, io.TextIOWrapper(raw, write_through=True))
        status = _run([one for one in command[1:] if one != "-u"])
    except BaseException:
        traceback.print_exc()
    finally:
        os.write(files[2], str(status).encode())
        os._exit(status)


def _run(words: list[str]) -> int:
    module = words[0] == "-m"
    sys.argv = words[1:] if module else words
    try:
        if module:
            sys.path.insert(0, os.getcwd())
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    return 0


if __name__ == "__main__":
    main()
