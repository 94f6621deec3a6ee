"""Make this machine fit to be an image: nothing that is of one machine or one cluster stays."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from provision.node import watchdog_service
from provision.node.program import Channel, Failure

COMMAND_SECONDS = 120.0
STOP_SECONDS = 30
# By then this machine ends even if whoever makes the image was killed meanwhile. The restart
# for the image forgets it, and brings a watchdog with the limits of the first boot again.
END_MINUTES = 60
# What the first boot of a machine writes anew, and what must never be in an image.
_FORGET = (
    "/etc/ssh/ssh_host_*",
    "/etc/tandem",
    "/opt/tandem/watchdog.pyz",
    "/etc/systemd/system/tandem-watchdog.service",
    "/etc/systemd/system/multi-user.target.wants/tandem-watchdog.service",
    "/var/lib/tandem",
    "/var/log/tandem-watchdog.log",
    "/root/.ssh/authorized_keys",
)
_FOLDERS = ("/etc/tandem", "/var/lib/tandem")
_OF_THE_USER = (".tandem", ".ssh/authorized_keys", ".bash_history", ".cache")


def main(request: dict[str, Any], channel: Channel) -> list[str]:
    """Remove keys, credentials, limits and traces; return what is left of secrets, if any.

    `keep` is the folder of the environment, which has to lie outside the user's own.
    """
    home = os.path.expanduser("~")
    if not os.path.isdir(request["keep"]) or request["keep"].startswith(f"{home}/"):
        raise Failure(f"there is no environment in {request['keep']} that an image could have.")
    _stop_watchdog()
    own = " ".join(f"'{home}'/{name}" for name in _OF_THE_USER)
    _as_root(
        f"rm -rf {' '.join(_FORGET)} {own}\n"
        "if command -v cloud-init >/dev/null; then cloud-init clean --logs --seed; fi\n"
        "if [ -e /etc/machine-id ]; then truncate -s 0 /etc/machine-id; fi\n"
        "sync\n"
    )
    left = [os.path.join(home, name) for name in _OF_THE_USER]
    found = [path for path in (*left, *_FOLDERS) if os.path.exists(path)]
    if found:
        raise Failure(
            f"this machine still has {', '.join(found)}, which no image may have.",
            next_step="let its SSH user run sudo without a password",
        )
    return found


def _stop_watchdog() -> None:
    """End what would write its note of the first start anew, after all has been removed."""
    unit, lock = watchdog_service.UNIT, watchdog_service.LOCK
    _as_root(
        f"shutdown -P +{END_MINUTES} || true\n"
        f"if [ -d /run/systemd/system ] && [ -e {unit} ]; then\n"
        f"    systemctl disable --now {os.path.basename(unit)}\n"
        "fi\n"
        # Whoever holds the lock is the watchdog, and has written its number there.
        f"if [ -e {lock} ] && ! flock -sn {lock} true; then\n"
        f"    kill \"$(cut -d' ' -f1 {lock})\"\n"
        f"    flock -s -w {STOP_SECONDS} {lock} true\n"
        "fi\n"
    )


def _as_root(script: str) -> None:
    """Run an sh script that stops at the first command that fails."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    words = [*prefix, "sh", "-ec", script]
    done = subprocess.run(words, timeout=COMMAND_SECONDS, capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise Failure(
            "this machine could not be made fit to be an image.",
            cause=f"a command of root's ended with {done.returncode}: {' '.join(said)[:300]}",
            next_step="let its SSH user run sudo without a password",
        )
