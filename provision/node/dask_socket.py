"""Questions to the scheduler of this node over its socket file, without loading Dask."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

NAME = "dask.sock"


def path(home: str) -> str:
    """Return where the scheduler's socket lies."""
    return os.path.join(home, "run", NAME)


def ask(home: str, question: str = "state", timeout: float = 10.0) -> dict[str, Any]:
    """Send one question and return the answer; OSError if no scheduler answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout)
        line.connect(path(home))
        line.sendall(json.dumps({"ask": question}).encode() + b"\n")
        with line.makefile("rb") as answer:
            return dict(json.loads(answer.readline()))
