"""Run programs in a container from outside, by Docker's own client.

Not by the SDK's `exec_run`: its answers keep a socket of the engine open until they are
collected, and a test that happens to run then gets the `ResourceWarning`.
"""

import subprocess
from dataclasses import dataclass
from typing import Any

_SECONDS = 300.0


@dataclass(frozen=True)
class Answer:
    """How a program ended: its exit code, and standard output and error together."""

    exit_code: int
    output: str


def run_inside(
    container: Any, *words: str, user: str = "", detach: bool = False, **environment: str
) -> Answer:
    """Run a program in a container and return how it ended, or leave it there (`detach`)."""
    command = ["docker", "exec"]
    command += ["--user", user] if user else []
    command += ["--detach"] if detach else []
    command += [
        part for name, value in environment.items() for part in ("-e", f"{name}={value}")
    ]
    done = subprocess.run(
        [*command, container.id, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_SECONDS,
        check=False,
    )
    return Answer(done.returncode, done.stdout.decode(errors="replace"))
