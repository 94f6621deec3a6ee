"""The process in which units run: JSON lines in, JSON lines out, one unit at a time.

A slot keeps one such process, whichever engine the slot belongs to. A unit that hangs, is
out of memory or crashes then costs this process alone, and the engine's own process, its
heartbeat and its neighbours go on. Started as `python -m workloads.engines.unit_process`.
"""

import contextlib
import importlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from contracts.errors import TandemError
from workloads.engines import Outcome
from workloads.engines.telling import teller

REASON_LIMIT = 1000


def main() -> None:
    """Serve units until the slot closes its end of the pipe."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # prints of a unit are not replies
    _volunteer_for_out_of_memory()
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    while True:
        request = json.loads(requests.get())
        outcome = None
        try:
            function = find(request["function"])
        except Exception as error:
            outcome = Outcome("error", None, f"{type(error).__name__}: {error}"[:REASON_LIMIT])
        _reply(replies, {"pid": os.getpid()})
        if outcome is None:
            teller.begin(lambda told: _reply(replies, {"told": told}))
            outcome = perform(function, request["arguments"])
            teller.end()
        _reply(replies, as_json(outcome))


def find(name: str) -> Callable[..., Any]:
    """Return the function "module:name"; its module is imported where it was not yet."""
    module, _, attribute = name.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return function


def perform(function: Callable[..., Any], arguments: dict[str, Any]) -> Outcome:
    """Call a function in this process and return what came of it, and in what time."""
    begin, begin_cpu = time.monotonic(), time.process_time()

    def outcome(status: Any, value: Any = None, reason: str = "") -> Outcome:
        spent = time.monotonic() - begin, time.process_time() - begin_cpu
        return Outcome(status, value, reason[:REASON_LIMIT], *spent)

    try:
        value = function(**arguments)
        json.dumps(value, allow_nan=False)
    except MemoryError as error:
        return outcome("memory", reason=f"out of memory: {error or 'MemoryError'}")
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, TandemError) else f"{type(error).__name__}: "
        return outcome("error", reason=f"{kind}{error}")
    return outcome("ok", value)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as the JSON object that crosses between processes."""
    return {
        "status": outcome.status,
        "value": outcome.value,
        "reason": outcome.reason,
        "seconds": outcome.seconds,
        "cpu_seconds": outcome.cpu_seconds,
    }


def _listen(requests: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # the slot is gone, so nobody waits for the unit that may be running


def _reply(replies: TextIO, document: dict[str, Any]) -> None:
    replies.write(json.dumps(document, allow_nan=False) + "\n")
    replies.flush()


def _volunteer_for_out_of_memory() -> None:
    """Have the kernel end this process first when the node has no memory left.

    Otherwise it may choose the engine, the scheduler or the SSH server of the node.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("1000")


if __name__ == "__main__":
    main()
