"""How long machines may live, and how long they may be idle: infra and provision agree here.

A node keeps both limits by itself, through a small program that needs no credentials; see
`provision/node/watchdog.py`.
"""

import base64
import datetime
import gzip
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WATCHDOG = "/opt/tandem/watchdog.pyz"
LIMITS = "/etc/tandem/limits.json"

# For machines of no other limit whose watchdog does not start.
FALLBACK_SECONDS = 12 * 3600

_MODULES = (
    "__init__",
    "machine_delete",
    "machine_end",
    "machine_use",
    "program",
    "records",
    "store",
    "watchdog",
    "watchdog_service",
)
_START = "import sys\nfrom provision.node import watchdog\nwatchdog.main(sys.argv[1:])\n"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Limits:
    """The limits of one node.

    `expires_at` is a moment in ISO 8601 with its time zone. `ttl_seconds` counts from the first
    start of the machine and holds where there is no such moment. `idle_seconds` is how long
    there may be no engine task, no driver and no SSH session. None means no limit.
    """

    expires_at: str | None = None
    ttl_seconds: int | None = None
    idle_seconds: int | None = None

    def document(self) -> dict[str, Any]:
        """Return the object that a node reads; the moment is in seconds since 1970."""
        moment = self.expires_at and datetime.datetime.fromisoformat(self.expires_at)
        return {
            "expires_at": moment.timestamp() if moment else None,
            "ttl_seconds": self.ttl_seconds,
            "idle_seconds": self.idle_seconds,
        }


def pack(root: Path) -> bytes:
    """Return the watchdog as one file that Python runs, from the project's folder `root`.

    The same sources give the same bytes.
    """
    files = {"__main__.py": _START, "provision/__init__.py": ""}
    for name in _MODULES:
        path = f"provision/node/{name}.py"
        files[path] = (root / path).read_text(encoding="utf-8")
    packed = io.BytesIO()
    # Not compressed here: all of it together becomes smaller in `boot_script`.
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), text)
    return packed.getvalue()


def boot_script(watchdog: bytes, limits: Limits) -> str:
    """Return the sh script by which a machine keeps its limits from its first boot on.

    It is run as root at every boot and may be run again. Limits that are there already were
    set later, by the operator, and stay. `watchdog` is what `pack` returns. If any of it
    fails, the machine is shut down when the time of `limits` has passed since that boot.
    """
    document = json.dumps(limits.document(), sort_keys=True).encode()
    minutes = max(1, (limits.ttl_seconds or FALLBACK_SECONDS) // 60)
    return "\n".join(
        (
            "#!/bin/sh",
            "set -eu",
            f"late() {{ test $? = 0 || {_dead_man(minutes)}; }}",
            "trap late EXIT",
            "umask 077",
            "mkdir -p /opt/tandem /etc/tandem",
            "chmod 755 /opt/tandem",
            f"echo {_text(gzip.compress(watchdog, mtime=0))} | base64 -d | gzip -d "
            f"> {WATCHDOG}.part",
            f"chmod 755 {WATCHDOG}.part",
            f"mv {WATCHDOG}.part {WATCHDOG}",
            f"test -e {LIMITS} || {{ echo {_text(document)} | base64 -d > {LIMITS}.part && "
            f"mv {LIMITS}.part {LIMITS}; }}",
            f"python3 -I -S {WATCHDOG} install",
            "",
        )
    )


def _dead_man(minutes: int) -> str:
    """Return what ends a machine on which the watchdog does not run, so many minutes later.

    So early in a boot `shutdown` may find nobody who would wait for it; then a shell waits.
    """
    last = f"sleep {60 * minutes}; shutdown -P now || poweroff -f"
    quiet = "</dev/null >/dev/null 2>&1"
    return f'shutdown -P +{minutes} || {{ setsid sh -c "{last}" {quiet} & }}'


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
