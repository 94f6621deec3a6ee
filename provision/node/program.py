"""The frame of every program that the operator runs on a node: JSON in, JSON lines out.

A program is a module with `main(request, channel)`; what `main` returns is the result.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any


class Failure(Exception):
    """Something that the operator's user should read: a problem, its cause, what to do."""

    def __init__(
        self, problem: str, *, cause: str = "", next_step: str = "", kind: str = "failed"
    ) -> None:
        super().__init__(problem)
        self.record = {
            "problem": problem,
            "cause": cause,
            "next_step": next_step,
            "kind": kind,
        }


class Channel:
    """The way back to the operator."""

    def __init__(self, output: Any) -> None:
        self._output = output

    def tell(self, **event: Any) -> None:
        """Send an event. An operator who is gone does not stop the work."""
        self._send({"event": event})

    def result(self, value: Any) -> None:
        """Send the result, which is the last line."""
        self._send({"result": value})

    def error(self, record: dict[str, str]) -> None:
        """Send the error, which is the last line."""
        self._send({"error": record})

    def detach(self, log: str) -> None:
        """Give this process and its children a log file in place of the operator's pipes.

        Otherwise a process that stays would hold the SSH channel open. Only the lines of this
        object still reach the operator.
        """
        self._output = os.fdopen(os.dup(1), "wb", buffering=0)
        os.set_inheritable(self._output.fileno(), False)
        os.makedirs(os.path.dirname(log), mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(log, flags, 0o600)
        sys.stdout.flush()
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)

    def close(self) -> None:
        """Cut this process off the operator; used by children that stay."""
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
        with contextlib.suppress(OSError):
            self._output.close()

    def _send(self, record: dict[str, Any]) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._output.write(json.dumps(record).encode() + b"\n")
            self._output.flush()


def wait_until(condition: Callable[[], Any], seconds: float, *, every: float = 0.05) -> Any:
    """Call `condition` until it returns something true, and return that; None when late.

    Raises
    ------
    Failure
        If the operator went away or gave up: nothing should be begun for nobody.
    """
    give_up = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > give_up:
            return None
        if operator_left():
            raise Failure("The operator gave up waiting.", kind="cancelled")
        time.sleep(every)


def operator_left() -> bool:
    """Say whether the operator closed the input of this program."""
    try:
        ready = select.select([0], [], [], 0)[0]
        return bool(ready) and os.read(0, 1) == b""
    except OSError:
        return True


def run(module: Any, request: dict[str, Any]) -> None:
    """Run a program, send what it came to, and end at once.

    Taking apart what a program loaded would cost a small machine more time than its work.
    """
    channel = Channel(sys.stdout.buffer)
    try:
        channel.result(module.main(request, channel))
    except Failure as failure:
        channel.error(failure.record)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        channel.error({"problem": problem, "cause": trace[-3000:], "kind": "defect"})
    os._exit(0)
