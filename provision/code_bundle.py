"""The project's own code as one wheel, named by the fingerprint of what is in it."""

import hashlib
import io
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import TandemError
from contracts.files import write_atomically
from provision import node_uv

PACKAGES = ("contracts", "cost", "infra", "provision", "workloads", "tasks")
# What nodes run. The rest of the wheel is there and unused, and changes no fingerprint.
ON_NODES = ("contracts/", "workloads/")
BUILD_SECONDS = 120
BEFORE_SECONDS = 180
KEPT = 3


@dataclass(frozen=True)
class Bundle:
    """A wheel of this project; what is the same for a node has the same `fingerprint`.

    `notes` say what could not be put into it.
    """

    content: bytes
    fingerprint: str
    notes: tuple[str, ...] = ()


def build(state: Path, root: Path | None = None) -> Bundle:
    """Return the wheel of the code as it is now, built only where the sources changed.

    The scripts that pyproject.toml names under `tool.tandem.before-wheel` run first: they put
    files into the packages that are made and not written. One that fails costs a note.

    Raises
    ------
    TandemError
        If the build fails; the message has the builder's own words.
    """
    root = root or Path(__file__).resolve().parents[1]
    notes = tuple(filter(None, (_run_before(root, script) for script in _scripts(root))))
    kept = state / "code" / f"{_source_key(root)}.whl"
    if not kept.exists():
        write_atomically(kept, _build(root))
        _forget_old(kept.parent)
    content = kept.read_bytes()
    return Bundle(content, fingerprint(content), notes)


def fingerprint(wheel: bytes) -> str:
    """Return 16 hexadecimal digits over names and contents of the members that nodes run."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        for name in sorted(one for one in archive.namelist() if one.startswith(ON_NODES)):
            digest.update(f"{name}\0{archive.getinfo(name).file_size}\0".encode())
            digest.update(archive.read(name))
    return digest.hexdigest()[:16]


def _scripts(root: Path) -> list[str]:
    try:
        settings = tomllib.loads((root / "pyproject.toml").read_text())
        return [str(name) for name in settings["tool"]["tandem"]["before-wheel"]]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError):
        return []  # the builder of the wheel has words for a file that is wrong


def _run_before(root: Path, script: str) -> str | None:
    """Run a script of the project; return its last word if it fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(root / script)],
            capture_output=True,
            cwd=root,
            timeout=BEFORE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{script}: {error}"
    if done.returncode == 0:
        return None
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"{script} ended with {done.returncode}"


def _source_key(root: Path) -> str:
    digest = hashlib.sha256()
    for path in _sources(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _sources(root: Path) -> Iterator[Path]:
    yield root / "pyproject.toml"
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _build(root: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(node_uv.own()),
            "build",
            "--wheel",
            "--quiet",
            "--offline",
            "--out-dir",
            folder,
        ]
        try:
            done = subprocess.run(
                [*command, str(root)], capture_output=True, timeout=BUILD_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(str(error)) from error
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            raise _failed(done.stderr.decode(errors="replace").strip()[-2000:])
        return wheels[0].read_bytes()


def _failed(words: str) -> TandemError:
    return TandemError(
        "The project's wheel, which the nodes run, could not be built.",
        cause=words,
        next_step="mend what the builder names, then run the same command again",
    )


def _forget_old(folder: Path) -> None:
    wheels = sorted(folder.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    for path in wheels[:-KEPT]:
        path.unlink(missing_ok=True)
