"""How long `make demo` takes: in a new clone, and again.

A new clone has no .venv. Where there is no node image either the first run is the fresh case,
at no further cost; --fresh removes the images so that it is.

    python -m bench.demo --repeats 2
    python -m bench.demo --fresh
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench.machine import facts, keep, spread

ROOT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 1800


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    machine = facts()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "tandem")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        if options.fresh:
            _forget_images()
        first = "new_clone_seconds" if _images() else "fresh_seconds"
        figures[first] = spread([_demo(clone)])
        figures["again_seconds"] = spread([_demo(clone) for _ in range(options.repeats)])
    print(figures)
    print(f"kept in {keep('demo', machine, figures)}")


def _forget_images() -> None:
    """Remove the node images, so that they are built again; machines in use keep theirs."""
    for image in _images():
        subprocess.run(["docker", "rmi", "--force", image], check=False)


def _images() -> list[str]:
    if shutil.which("docker") is None:
        return []
    found = subprocess.run(
        ["docker", "images", "--quiet", "--filter", "label=tandem.image"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.split()


def _demo(clone: Path) -> float:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "TANDEM_STATE", "MAKEFLAGS", "MAKELEVEL")
    }
    begin = time.monotonic()
    subprocess.run(
        ["make", "demo"], cwd=clone, env=environment, timeout=LIMIT_SECONDS, check=True
    )
    return time.monotonic() - begin


if __name__ == "__main__":
    main()
