"""A fresh host key for this machine, made here; its private half never leaves it.

In three steps, each of which may be done again, so that an interruption at any point leaves a
machine that the operator can still tell from a stranger.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import Any

from provision.node.program import Channel, Failure

SECONDS = 60


def main(request: dict[str, Any], channel: Channel) -> str:
    """Do one step for the key at `key`; return the public half of the fresh one.

    `make` makes it beside the one in use, unless that is no longer the `temporary` one. `use`
    puts it in place and has sshd read it. `settle` gives the login user a folder for the
    environments, `folder`.
    """
    key = request["key"]
    if request["step"] == "make":
        return _make(key, request["temporary"])
    if request["step"] == "use":
        return _use(key, request["pid_file"])
    user = pwd.getpwuid(os.getuid()).pw_name
    _as_root("install", "-d", "-o", user, "-m", "755", request["folder"])
    return _public(key)


def _make(key: str, temporary: str) -> str:
    if _public(key) != temporary:
        return _public(key)
    fresh = f"{key}.next"
    if not (os.path.exists(fresh) and os.path.exists(f"{fresh}.pub")):
        _as_root("rm", "-f", fresh, f"{fresh}.pub")
        _as_root("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", fresh)
    return _public(fresh)


def _use(key: str, pid_file: str) -> str:
    fresh = f"{key}.next"
    if os.path.exists(f"{fresh}.pub"):
        # The public half goes last: while it is beside, the move is not done.
        if os.path.exists(fresh):
            _as_root("mv", "-f", fresh, key)
        _as_root("mv", "-f", f"{fresh}.pub", f"{key}.pub")
    if os.path.isdir("/run/systemd/system"):
        # Started by its socket, sshd may lose that at a hang-up. Open sessions stay.
        _as_root("systemctl", "restart", "ssh.service")
    else:
        with open(pid_file) as stream:
            _as_root("kill", "-HUP", str(int(stream.read())))
    return _public(key)


def _public(key: str) -> str:
    with open(f"{key}.pub") as stream:
        return " ".join(stream.read().split()[:2])


def _as_root(*command: str) -> None:
    words = command if os.getuid() == 0 else ("sudo", "-n", *command)
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failure(words, str(error)) from error
    if done.returncode != 0:
        raise _failure(words, done.stderr.strip()[-400:] or f"exit {done.returncode}")


def _failure(words: tuple[str, ...], cause: str) -> Failure:
    return Failure(
        f"`{' '.join(words[:4])}` failed while the host key was replaced.",
        cause=cause,
        next_step="the login user needs sudo without a password and the machine ssh-keygen; "
        "then run the same command again",
    )
