"""The end of a machine: what is to be done last, then shut down by whatever way works."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

GRACE_SECONDS = 60.0
LAST_WORK_SECONDS = 120.0


def power_off(log: Callable[[str], None]) -> None:
    """Shut this machine down; where one way does not, the next one is tried."""
    ways = (["systemctl", "poweroff"], ["shutdown", "-h", "now"], ["poweroff", "-f"])
    for way in ways if os.path.isdir("/run/systemd/system") else ways[1:]:
        try:
            code = subprocess.run(way, timeout=GRACE_SECONDS).returncode
        except (OSError, subprocess.SubprocessError) as error:
            log(f"{way[0]}: {error}")
            continue
        if code == 0:
            time.sleep(GRACE_SECONDS)
        log(f"{way[0]} ended with {code}, and the machine goes on")
    # Where there is no init system, the first process is the machine.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.kill(1, number)
        time.sleep(GRACE_SECONDS / 6)


def last_work(wish: Any, log: Callable[[str], None]) -> None:
    """Run what is to be done before the end, as the owner of the home that the wish names."""
    if not isinstance(wish, dict):
        return
    try:
        owner = os.stat(wish["home"])
        done = subprocess.run(
            wish["command"],
            user=owner.st_uid,
            group=owner.st_gid,
            extra_groups=[],
            env={"HOME": wish["home"], "PATH": "/usr/local/bin:/usr/bin:/bin"},
            cwd=wish["home"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LAST_WORK_SECONDS,
        )
        words = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        log(f"the last work ended with {done.returncode} {' '.join(words)[:300]}")
    except (OSError, KeyError, TypeError, ValueError, subprocess.SubprocessError) as error:
        log(f"the last work failed: {error}")
