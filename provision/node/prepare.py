"""Make a node ready: end what must end, unpack the code, note the owner, watch the machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zipfile
from typing import Any

from provision.node import monitor, records
from provision.node.program import Channel, Failure

CODE_KEPT = 3


def main(request: dict[str, Any], channel: Channel) -> list[str]:
    """Do what the request names, and return what was changed."""
    home = request["home"]
    os.makedirs(home, mode=0o700, exist_ok=True)
    os.chmod(home, 0o700)
    changed = []
    for name in request["stop"]:
        if stop(home, name, request["grace"]):
            changed.append(f"{name} stopped")
    if request["code"]:
        _unpack(home, request["code"])
        changed.append("code brought")
    if request["owner"]:
        _write_json(os.path.join(home, "cluster.json"), request["owner"])
    if request["monitor"]:
        monitor.start(home, request["monitor"])
        changed.append("monitor started")
    return changed


def stop(home: str, name: str, grace: float) -> list[int]:
    """End what a record names; the pids that were ended."""
    try:
        return records.stop(home, name, grace=grace)
    except TimeoutError as error:
        raise Failure(str(error), next_step="restart that machine", kind="deadline") from error


def _unpack(home: str, fingerprint: str) -> None:
    """Unpack a wheel beside its place and move it there whole."""
    folder = os.path.join(home, "code")
    target = os.path.join(folder, fingerprint)
    temporary = f"{target}.{os.getpid()}.part"
    wheel = f"{target}.whl"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(temporary)
    shutil.rmtree(target, ignore_errors=True)
    os.rename(temporary, target)
    os.unlink(wheel)
    with os.scandir(folder) as entries:
        old = sorted(
            (one for one in entries if one.is_dir()), key=lambda one: one.stat().st_mtime
        )
    for one in old[:-CODE_KEPT]:
        shutil.rmtree(one.path, ignore_errors=True)


def _write_json(path: str, document: Any) -> None:
    temporary = f"{path}.{os.getpid()}.part"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    with open(temporary, "w") as stream:
        json.dump(document, stream)
    os.replace(temporary, path)
