"""Give this machine its limits, and see that the program that keeps them runs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import Any

from provision.node.program import Channel, Failure

WATCHDOG = "/opt/tandem/watchdog.pyz"
COMMAND_SECONDS = 60.0
_REPORT = "/run/tandem-watchdog.json"


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Set the limits; `missing` in the answer says that the program has to be sent first.

    `request` has the `limits`, the `digest` of the program and, once it was sent, its `path`.
    """
    if _digest(WATCHDOG) != request["digest"]:
        sent = request.get("path")
        if not sent or _digest(sent) != request["digest"]:
            return {"missing": True}
        _as_root(["mkdir", "-p", os.path.dirname(WATCHDOG)])
        _as_root(["install", "-m", "755", "-o", "0", sent, WATCHDOG])
    words = _as_root(
        ["python3", "-I", "-S", WATCHDOG, "set"], json.dumps(request["limits"], sort_keys=True)
    )
    if request["limits"].get("ending"):
        _may_delete()
    return {"missing": False, "words": words}


def report() -> dict[str, Any] | None:
    """Return what the watchdog of this machine said last; None if there is none."""
    try:
        with open(_REPORT) as stream:
            found = json.load(stream)
        return found if isinstance(found, dict) else None
    except (OSError, ValueError):
        return None


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except OSError:
        return ""


def _may_delete() -> None:
    try:
        _as_root(["python3", "-I", "-S", WATCHDOG, "prove"])
    except Failure as error:
        raise Failure(
            "this machine could not delete the cluster's machines when their time is up.",
            cause=str(error.record["cause"]).strip().rpartition("\n")[2],
            next_step="pulumi up, which mends the credential; on a cloud without access rules "
            "pulumi config set ends stop, and remember that machines cost on",
        ) from error


def _as_root(command: list[str], text: str = "") -> str:
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    try:
        done = subprocess.run(
            [*prefix, *command],
            input=text.encode(),
            capture_output=True,
            timeout=COMMAND_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _refused(str(error)) from error
    if done.returncode != 0:
        raise _refused(done.stderr.decode(errors="replace").strip()[-500:])
    return done.stdout.decode(errors="replace").strip()


def _refused(cause: str) -> Failure:
    return Failure(
        "this machine cannot be told when to end itself, which only root may.",
        cause=cause,
        next_step="let its SSH user run sudo without a password, or take expires_at, ttl_hours "
        "and idle_minutes out of the inventory",
    )
