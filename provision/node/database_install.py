"""The programs of PostgreSQL on this node: found, or installed where that can be done."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from typing import Any

from provision.node.program import Channel, Failure

BINARIES = "/usr/lib/postgresql"
INSTALL_SECONDS = 480.0
# Its own cluster of files would run beside ours, so that of the distribution is never made.
_SETTINGS = "/etc/postgresql-common/createcluster.conf"
_APT = (
    "apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 "
    "-o Dpkg::Options::=--force-confold install"
)
SCRIPT = f"""set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
{_APT} postgresql-common
echo "create_main_cluster = false" > {_SETTINGS}
{_APT} postgresql
"""
BY_HAND = "sudo apt-get install postgresql, on that machine, or the like of its system"


def programs(data: str, channel: Channel) -> str:
    """Return the folder of the programs for a folder of data; installed if there is none.

    Raises
    ------
    Failure
        If they are missing and cannot be installed, with what to type.
    """
    found = find(data)
    if found is None:
        channel.tell(step="installing PostgreSQL")
        _install()
        found = find(data)
    if found is None:
        raise Failure(
            f"There is no PostgreSQL under {BINARIES}{_wanted_words(data)}.", next_step=BY_HAND
        )
    return found


def find(data: str) -> str | None:
    """Return the folder of the newest programs, or of those that made the data, if any."""
    version = _version(data) or "*"
    found = glob.glob(f"{BINARIES}/{version}/bin/postgres")
    ordered = sorted(found, key=lambda path: int(path.split("/")[-3]))
    whole = [one for one in ordered if os.path.exists(one.removesuffix("postgres") + "psql")]
    return os.path.dirname(whole[-1]) if whole else None


def _version(data: str) -> str:
    try:
        with open(os.path.join(data, "PG_VERSION")) as stream:
            return stream.read().strip()
    except OSError:
        return ""


def _wanted_words(data: str) -> str:
    version = _version(data)
    return f", and the data there is of version {version}" if version else ""


def _install() -> None:
    if shutil.which("apt-get") is None:
        raise Failure("There is no PostgreSQL on this machine, nor apt-get.", next_step=BY_HAND)
    become: list[str] = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if become and (shutil.which("sudo") is None or _run([*become, "true"]).returncode):
        raise Failure(
            "There is no PostgreSQL on this machine, and this user may not install it.",
            next_step=BY_HAND,
        )
    done = _run([*become, "sh", "-c", SCRIPT])
    if done.returncode:
        raise Failure(
            f"PostgreSQL could not be installed: apt-get ended with {done.returncode}.",
            cause=(done.stdout + done.stderr)[-1000:],
            next_step=BY_HAND,
        )


def _run(command: list[str]) -> Any:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=INSTALL_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Failure(
            f"Installing PostgreSQL did not end in {INSTALL_SECONDS:.0f} s.", next_step=BY_HAND
        ) from error
