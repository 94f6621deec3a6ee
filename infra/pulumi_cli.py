"""Find the `pulumi` program, or install it by its maker's own route."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from contracts.progress import Event, Tell

WITHOUT = (
    "There is no pulumi program on PATH: machines on clouds need it, local machines do not "
    "(fab local.up)."
)
_NOT_FETCHED = f"{WITHOUT} It could not be fetched from its download site."
_INSTALL_SECONDS = 300.0
_INSTALLER = (
    "import sys; from pulumi.automation import PulumiCommand; "
    "PulumiCommand.install(root=sys.argv[1])"
)


@dataclass(frozen=True)
class PulumiCli:
    """Where the program is, which version, and whether it was found or installed."""

    path: Path
    version: str
    origin: str


def find(state: Path) -> PulumiCli | None:
    """Return the program on PATH or in the state's tool folder; None if there is none."""
    found = shutil.which("pulumi")
    candidates = [(Path(found), "found on PATH")] if found else []
    candidates.append((_own(state), "installed by fab setup.run"))
    for path, origin in candidates:
        version = _version(path)
        if version:
            return PulumiCli(path, version, origin)
    return None


def ensure(state: Path, tell: Tell) -> PulumiCli | None:
    """Return the program, installed into the state's tool folder where it is missing.

    Where the download site does not answer, tell so and return None: only the cloud stacks
    need it.
    """
    found = find(state)
    if found:
        detail = f"{found.version} {found.origin}"
        tell(Event("setup", "pulumi", "skipped", detail=detail))
        return found
    begin = time.monotonic()
    tell(Event("setup", "install pulumi", "started"))
    try:
        _install(_own(state).parent.parent)
    except (OSError, subprocess.SubprocessError):
        tell(Event("setup", "install pulumi", "skipped", detail=_NOT_FETCHED))
    else:
        tell(Event("setup", "install pulumi", "done", time.monotonic() - begin))
    return find(state)


def _own(state: Path) -> Path:
    return state / "tools" / "pulumi" / "bin" / "pulumi"


def _version(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        done = subprocess.run(
            [str(path), "version"],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _install(root: Path) -> None:
    # In a process of its own: the installer has no deadline.
    subprocess.run(
        [sys.executable, "-c", _INSTALLER, str(root)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_INSTALL_SECONDS,
        check=True,
    )
