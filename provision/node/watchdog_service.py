"""Starts the watchdog so that it outlives its starter and every restart of the machine."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import time
from typing import Any

# On a file system that a restart empties: it speaks of this boot only.
LOCK = "/run/tandem-watchdog.lock"
UNIT = "/etc/systemd/system/tandem-watchdog.service"
SSHD = "/etc/ssh/sshd_config.d/10-tandem.conf"
TAKE_OVER_SECONDS = 30.0
START_SECONDS = 30.0
COMMAND_SECONDS = 30.0

# A session whose operator vanished ends after a minute, or it would count as use for hours.
_SSHD_TEXT = "ClientAliveInterval 15\nClientAliveCountMax 4\n"
_UNIT_TEXT = """[Unit]
Description=Ends this machine when its time is up or nobody uses it
[Service]
ExecStart=/usr/bin/env python3 -I -S {program} watch
Restart=always
RestartSec=5
OOMScoreAdjust=-900
[Install]
WantedBy=multi-user.target
"""


def install(program: str) -> str:
    """Start the watchdog, or replace one that runs from another text; return what was done."""
    if os.path.isdir(os.path.dirname(SSHD)) and text(SSHD) != _SSHD_TEXT:
        write(SSHD, _SSHD_TEXT, 0o644)
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(text("/run/sshd.pid")), signal.SIGHUP)
    holder, its_digest = running()
    if holder and its_digest == digest(program):
        return "runs already"
    if os.path.isdir("/run/systemd/system"):
        write(UNIT, _UNIT_TEXT.format(program=program), 0o644)
        unit = os.path.basename(UNIT)
        for command in (["daemon-reload"], ["enable", unit], ["restart", "--no-block", unit]):
            subprocess.run(["systemctl", *command], check=True, timeout=COMMAND_SECONDS)
        return "started"
    if holder:
        os.kill(holder, signal.SIGTERM)
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.chdir("/")
        os.execv(sys.executable, [sys.executable, "-I", "-S", program, "watch"])  # noqa: S606
    os.wait()
    give_up = time.monotonic() + START_SECONDS
    while running()[1] != digest(program):
        if time.monotonic() > give_up:
            raise TimeoutError(f"the watchdog did not start within {START_SECONDS:.0f} s")
        time.sleep(0.05)
    return "started"


def running() -> tuple[int, str]:
    """Return pid and text digest of the watchdog that runs; 0 if none does."""
    with contextlib.suppress(OSError, ValueError), open(LOCK) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, its_digest = (*stream.read().split(), "0", "")[:2]
            return int(pid), its_digest
    return 0, ""


def hold(program: str) -> Any:
    """Become the one watchdog of this machine; return what holds that, or None if late."""
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    give_up = time.monotonic() + TAKE_OVER_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > give_up:
                return None
            time.sleep(0.1)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {digest(program)}".encode(), 0)
    return descriptor


def digest(program: str) -> str:
    """Return a fingerprint of the watchdog's file."""
    with open(program, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def text(path: str) -> str:
    """Return what a file holds, or nothing if it cannot be read."""
    try:
        with open(path) as stream:
            return stream.read()
    except OSError:
        return ""


def write(path: str, content: str, mode: int) -> None:
    """Replace a file so that a reader sees all of it or what was before."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.part"
    with open(temporary, "w") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
