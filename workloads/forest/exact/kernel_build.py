"""The compiled kernels as a file: found by name, or compiled where they are missing.

The kernels are plain C without a library under it: no libc symbol with a version, no Python,
no NumPy. A shared object of it fits every Linux of the same processor family, whatever Python
and whatever C library that has, so the operator compiles it once and sends it along with the
pure wheel. A machine without one and without a compiler uses scikit-learn's trees instead,
and says so.

Run as a script, this puts the kernels for this machine into the package: pyproject.toml has
it run before the wheel is built. It needs the standard library alone.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("kernel")
SHIPPED = Path(__file__).with_name("compiled")
FLAGS = (
    "-std=c11",
    "-O3",
    "-fPIC",
    "-shared",
    "-nostdlib",
    # a*b+c must round twice, as in scikit-learn's wheels
    "-ffp-contract=off",
    "-fno-fast-math",
)
COMPILE_SECONDS = 120


class KernelUnavailable(RuntimeError):
    """The compiled kernels cannot be used here; the message says why."""


def file_name() -> str:
    """Return the name that the shared object for this machine and this source has."""
    text = " ".join(FLAGS).encode()
    text += b"".join(path.read_bytes() for path in sorted(SOURCE.glob("*.[ch]")))
    digest = hashlib.sha256(text).hexdigest()[:12]
    return f"{_platform()}-{digest}.so"


def cache_folder() -> Path:
    """Return the user's folder for compiled kernels."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tandem" / "kernels"


def build(folder: Path) -> Path:
    """Compile the kernels for this machine into `folder`, unless they are there.

    Raises
    ------
    KernelUnavailable
        Without a C compiler, or if it fails.
    OSError
        If the folder cannot be written.
    """
    target = folder / file_name()
    if target.exists():
        return target
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise KernelUnavailable(
            f"no {_platform()} came with the code, and there is no C compiler (cc, gcc or "
            "clang) on PATH"
        )
    flags, parts = list(FLAGS), [str(path) for path in sorted(SOURCE.glob("*.c"))]
    if sys.platform == "darwin":
        flags += ["-undefined", "dynamic_lookup"]
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=folder, prefix=f".{target.name}.")
    os.close(descriptor)
    try:
        done = subprocess.run(
            [compiler, *flags, "-o", unfinished, *parts],
            capture_output=True,
            text=True,
            timeout=COMPILE_SECONDS,
            check=False,
        )
        if done.returncode:
            raise KernelUnavailable(f"{compiler} failed: {done.stderr.strip()[-400:]}")
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, target)
    except subprocess.TimeoutExpired as error:
        raise KernelUnavailable(f"{compiler} took over {COMPILE_SECONDS} s") from error
    finally:
        Path(unfinished).unlink(missing_ok=True)
    return target


def ship() -> Path:
    """Compile the kernels for this machine into the package, in place of older ones.

    Raises
    ------
    KernelUnavailable, OSError
        As in `build`.
    """
    made = build(SHIPPED)
    for path in SHIPPED.glob(f"{_platform()}-*.so"):
        if path != made:
            path.unlink(missing_ok=True)
    return made


def _platform() -> str:
    return f"kernel-{sys.platform}-{platform.machine().lower()}"


if __name__ == "__main__":
    try:
        print(ship())
    except (KernelUnavailable, OSError) as error:
        sys.exit(
            f"The nodes get no compiled kernels: {error}. Their own C compiler makes them, "
            "or scikit-learn grows the trees, with the same scores."
        )
