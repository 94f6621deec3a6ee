"""A slot's hold on its unit process: start it, hand it a unit, end it when it overruns."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workloads.engines import Outcome

START_SECONDS = 120.0
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_OOM_COUNTERS = (
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/memory/memory.oom_control",
    "/proc/vmstat",
)


class SlotProcess:
    """One process that works on units in turn; started when first needed, and again when dead.

    `call` and `close` are for one thread at a time; `interrupt` may come from any. Libraries
    in the process compute with `threads` threads.
    """

    def __init__(self, threads: int = 1) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._threads = threads

    def call(
        self,
        function: str,
        arguments: Mapping[str, Any],
        deadline_seconds: float,
        hear: Callable[[Mapping[str, Any]], None] = lambda told: None,
    ) -> Outcome:
        """Return what came of one attempt at a unit, at the latest when its deadline passes.

        The deadline counts from when the unit's module is imported, and what the unit tells
        meanwhile, which `hear` gets, moves it by nothing. A process that overran is killed; the
        next call starts another.
        """
        kills = out_of_memory_kills()
        begin = time.monotonic()
        try:
            process = self._live_process()
            request = json.dumps({"function": function, "arguments": arguments}) + "\n"
            _write(process, request.encode())
            if self._read_line(process, START_SECONDS) is None:
                raise TimeoutError(f"did not start within {START_SECONDS:.0f} s")
            begin = time.monotonic()
            reply = self._reply(process, begin + deadline_seconds, hear)
        except (OSError, EOFError) as error:
            return self._bury(kills, time.monotonic() - begin, error)
        if reply is None:
            self.close()
            words = f"did not end within {deadline_seconds:.0f} s"
            return Outcome("timeout", None, words, time.monotonic() - begin)
        return Outcome(**reply)

    def interrupt(self) -> None:
        """Kill the process; a `call` that waits for it returns with that news."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Kill the process, if there is one, and wait until it is gone."""
        process, self._process, self._buffer = self._process, None, b""
        if process is not None:
            process.kill()
            _reap(process)

    def _live_process(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workloads.engines.unit_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(self._threads),
        )
        return self._process

    def _reply(
        self,
        process: subprocess.Popen[bytes],
        give_up: float,
        hear: Callable[[Mapping[str, Any]], None],
    ) -> dict[str, Any] | None:
        """Return the answer of the process, or None when it did not come in time."""
        while (left := give_up - time.monotonic()) > 0:
            line = self._read_line(process, left)
            if line is None:
                break
            reply: dict[str, Any] = json.loads(line)
            if "told" not in reply:
                return reply
            hear(reply["told"])
        return None

    def _read_line(self, process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
        """Return the next line of the process, or None when it did not come in time."""
        if process.stdout is None:
            raise EOFError("its process has no output")
        stream = process.stdout.fileno()
        poll = select.poll()
        poll.register(stream, select.POLLIN)
        give_up = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = give_up - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                return None
            part = os.read(stream, 1 << 16)
            if not part:
                raise EOFError("its process ended")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _bury(self, kills: int, seconds: float, error: Exception) -> Outcome:
        """Say why the process is gone; out of memory only where the kernel counted it."""
        process = self._process
        self.close()
        code = process.returncode if process is not None else None
        if isinstance(error, TimeoutError) or code is None:
            words = str(error)
        elif code == -signal.SIGKILL and out_of_memory_kills() > kills:
            words = "out of memory: the kernel ended its process"
            return Outcome("memory", None, words, seconds)
        elif code < 0:
            words = f"its process was ended by {_signal_name(-code)}"
        else:
            words = f"its process ended with exit code {code}"
        return Outcome("killed", None, words, seconds)


def out_of_memory_kills() -> int:
    """Return how many processes the kernel has ended for lack of memory in this container.

    A machine without a memory limit of its own counts for the whole machine.
    """
    for name in _OOM_COUNTERS:
        with contextlib.suppress(OSError, ValueError):
            for line in Path(name).read_text().splitlines():
                key, _, number = line.partition(" ")
                if key == "oom_kill":
                    return int(number)
    return 0


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _environment(threads: int) -> dict[str, str]:
    """Return the environment of a unit process: our own modules first, so many threads."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH", "")
    joined = os.pathsep.join([root, path]) if path else root
    limits = dict.fromkeys(THREADS, str(threads))
    return {**os.environ, **limits, "PYTHONPATH": joined}


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    if process.stdin is None:
        raise EOFError("its process has no input")
    process.stdin.write(data)
    process.stdin.flush()


def _reap(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
