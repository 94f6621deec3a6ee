"""Make this machine fit to be an image: nothing that is of one machine or one cluster stays."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from provision.node.program import Channel, Failure

COMMAND_SECONDS = 120.0
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
_OF_THE_USER = (".tandem", ".ssh/authorized_keys", ".bash_history", ".cache")


def main(request: dict[str, Any], channel: Channel) -> list[str]:
    """Remove keys, credentials, limits and traces; return what is left of secrets, if any.

    `keep` is the folder of the environment, which has to lie outside the user's own.
    """
    home = os.path.expanduser("~")
    if not os.path.isdir(request["keep"]) or request["keep"].startswith(f"{home}/"):
        raise Failure(f"there is no environment in {request['keep']} that an image could have.")
    own = " ".join(f"'{home}'/{name}" for name in _OF_THE_USER)
    script = (
        f"rm -rf {' '.join(_FORGET)} {own}\n"
        "command -v cloud-init >/dev/null && cloud-init clean --logs --seed\n"
        "truncate -s 0 /etc/machine-id 2>/dev/null\n"
        "sync\n"
    )
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*prefix, "sh", "-c", script], timeout=COMMAND_SECONDS, capture_output=True)
    left = [os.path.join(home, name) for name in _OF_THE_USER]
    found = [path for path in (*left, "/etc/tandem") if os.path.exists(path)]
    if found:
        raise Failure(
            f"this machine still has {', '.join(found)}, which no image may have.",
            next_step="let its SSH user run sudo without a password",
        )
    return found
