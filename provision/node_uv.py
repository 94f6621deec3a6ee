"""The program uv for a node: the operator's own, or one fetched for another kind of machine.

It is fetched as the wheel of the operator's lock, checked by the lock's hashes, and kept in the
state folder. uv is linked statically, so that one program fits every Linux of a processor.
"""

import functools
import gzip
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from uv import find_uv_bin

from contracts.errors import TandemError

FETCH_SECONDS = 120.0
OPERATOR_LOCK = Path(__file__).resolve().parents[1] / "requirements-operator.lock"
# uv's names for machines, by what `uname -s` and `uname -m` say there.
_PLATFORMS = {
    ("Linux", "aarch64"): "aarch64-manylinux_2_17",
    ("Linux", "x86_64"): "x86_64-manylinux_2_17",
}
_NAME = "uv=="
# Nodes are brought up at the same time, and one of them fetches for all. Looking for uv is
# one at a time too: Python's `sysconfig`, which it asks, gives half of its values to a second
# thread that comes while the first one fills them in.
_ONE_AT_A_TIME = threading.Lock()


def own() -> Path:
    """Return the operator's own uv; from any thread."""
    with _ONE_AT_A_TIME:
        return Path(find_uv_bin())


def binary(system: str, machine: str, state: Path, lock: Path = OPERATOR_LOCK) -> Path:
    """Return uv for a machine, fetched into the state folder if it is of another kind.

    Raises
    ------
    TandemError
        If there is none for that kind, or it cannot be fetched.
    """
    if (system, machine) == (platform.system(), platform.machine()):
        return own()
    kind = _PLATFORMS.get((system, machine))
    if kind is None:
        raise TandemError(
            f"There is no uv for {system} {machine} that could be sent.",
            next_step="install uv on that node, then run the same command again",
        )
    with _ONE_AT_A_TIME:
        wanted = _locked(lock)
        version = wanted.split()[0].removeprefix(_NAME)
        folder = state / "tools" / f"uv-{version}-{machine}"
        if not (folder / "bin" / "uv").exists():
            _fetch(wanted, kind, folder, state / "wheelhouse")
    return folder / "bin" / "uv"


def packed(program: Path) -> bytes:
    """Return a program compressed with gzip, which halves what every node is sent."""
    with _ONE_AT_A_TIME:
        return _packed(program)


# Quick rather than small: level 6 takes three times as long for a twelfth less.
@functools.lru_cache(maxsize=2)
def _packed(program: Path) -> bytes:
    return gzip.compress(program.read_bytes(), compresslevel=1)


def _locked(lock: Path) -> str:
    """Return the lock's requirement of uv with its hashes."""
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.exists() else []
    begin = next((at for at, line in enumerate(lines) if line.startswith(_NAME)), None)
    if begin is None:
        raise TandemError(
            f"{lock} does not say which uv nodes of another kind get.",
            next_step="run fab from the project's folder",
        )
    end = next(at for at in range(begin, len(lines)) if not lines[at].endswith("\\"))
    return "\n".join(lines[begin : end + 1])


def _fetch(wanted: str, kind: str, folder: Path, wheelhouse: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    own = list(wheelhouse.glob("uv-*.whl"))
    where = ["--no-index", "--find-links", str(wheelhouse)] if own else []
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        requirement, made = Path(unfinished, "uv.lock"), Path(unfinished, "made")
        requirement.write_text(wanted, encoding="utf-8")
        command = [
            find_uv_bin(), "pip", "install", "--no-config", "--quiet", "--no-deps",
            "--require-hashes", "--only-binary", ":all:", "--python", sys.executable,
            "--python-platform", kind, "--target", str(made), *where, "-r", str(requirement),
        ]  # fmt: skip
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=FETCH_SECONDS,
                check=True,
                env=dict(os.environ),
            )
        except (OSError, subprocess.SubprocessError) as error:
            told = getattr(error, "stderr", None) or str(error)
            raise TandemError(
                f"uv for {kind} could not be fetched, and the nodes need it.",
                cause=str(told).strip()[-600:],
                next_step="let this computer reach the package index, or put that wheel of uv "
                f"into {wheelhouse}, then run the same command again",
            ) from error
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
