"""The environment of the test bed's services: made once for a lock, and MariaDB from Debian."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.doubles.openstack.places import LOCK, Bed

INSTALL_SECONDS = 900.0
SERVER = "/usr/sbin/mariadbd"
_ENTRY = "[neutron.ml2.mechanism_drivers]\nbed = bed_mechanism:BedMechanism\n"
_METADATA = "Metadata-Version: 2.1\nName: bed\nVersion: 1.0\n"


def make(bed: Bed) -> None:
    """Make what is missing; without the right to install, say what to install."""
    if shutil.which(SERVER) is None:
        _install_server()
    if bed.python.exists() and (bed.environment / "ready").exists():
        return
    bed.root.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(bed.environment, ignore_errors=True)
    uv = str(Path(sys.executable).with_name("uv"))
    _run([uv, "venv", "-q", "--python", sys.executable, str(bed.environment)])
    # Half of a service's start is compiling, where Python may not keep what it compiled.
    sync = [uv, "pip", "sync", "-q", "--require-hashes", "--compile-bytecode", str(LOCK)]
    _run(sync, VIRTUAL_ENV=str(bed.environment))
    (bed.environment / "ready").touch()


def plugins(bed: Bed) -> Path:
    """Return a folder for the services' path, in which neutron finds our driver by its name."""
    folder = bed.run / "plugins"
    described = folder / "bed-1.0.dist-info"
    described.mkdir(parents=True, exist_ok=True)
    (described / "entry_points.txt").write_text(_ENTRY)
    (described / "METADATA").write_text(_METADATA)
    return folder


def _install_server() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RuntimeError("MariaDB's server is missing. Next: apt-get install mariadb-server")
    # Its service must not start: the test bed has a server of its own.
    policy = Path("/usr/sbin/policy-rc.d")
    had = policy.exists()
    if not had:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        _run(["apt-get", "update", "-qq"])
        packages = ["--no-install-recommends", "mariadb-server"]
        _run(["apt-get", "install", "-y", "-qq", *packages], DEBIAN_FRONTEND="noninteractive")
    finally:
        if not had:
            policy.unlink()


def _run(command: list[str], **more: str) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])}: {done.stderr.strip()[-1000:]}")
