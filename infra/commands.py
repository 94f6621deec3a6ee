"""Programs of this computer that set-up calls: a deadline, their words, and their output."""

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence

from contracts.errors import DeadlineError, TandemError
from contracts.progress import Event, Tell, step

_KEPT_LINES = 12
_APT_SECONDS = 900.0


def run(command: Sequence[str], name: str, tell: Tell, *, timeout: float) -> None:
    """Run a program to its end as the step `name`, telling its output as it comes.

    `timeout` is in seconds; the program and its children are killed when it has passed.

    Raises
    ------
    DeadlineError
        If it did not end in time.
    TandemError
        If it failed; the cause is the end of its output.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    expired = threading.Event()
    with (
        step(tell, "setup", name),
        subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        timer = threading.Timer(timeout, _expire, (process, expired))
        timer.start()
        try:
            for line in process.stdout or ():
                last.append(line.strip())
                tell(Event("setup", name, "running", detail=line.strip()[:60]))
            process.wait()
        except BaseException:
            _kill(process)
            raise
        finally:
            timer.cancel()
        if expired.is_set():
            raise DeadlineError(
                waited_for=f"{name} to end",
                whom=command[0],
                seconds=timeout,
                last_state=last[-1] if last else "no output",
                next_step="check the network, then fab setup.run",
            )
        if process.returncode != 0:
            raise TandemError(
                f"{' '.join(command[:2])} ended with {process.returncode}.",
                cause="\n".join(last)[-800:],
                next_step="mend what it complains about, then fab setup.run",
            )


def install(packages: Sequence[str], tell: Tell) -> None:
    """Install packages by apt-get, as root on Debian or Ubuntu."""
    run(["apt-get", "update", "-q"], "apt-get update", tell, timeout=_APT_SECONDS)
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    run(command, f"install {packages[0]}", tell, timeout=_APT_SECONDS)


def _expire(process: "subprocess.Popen[str]", expired: threading.Event) -> None:
    expired.set()
    _kill(process)


def _kill(process: "subprocess.Popen[str]") -> None:
    # The program may be gone and a child of it still hold the pipe that is being read.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
