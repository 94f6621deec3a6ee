"""Find versitygw, an S3 server over a folder, or build it by its maker's own route.

The version is pinned, and so is the hash of its source as Go's checksum database has it.
No release is fetched: the source that Go builds is pinned by its hash, a download is not.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from contracts.errors import TandemError
from contracts.progress import Event, Tell
from infra import commands

MODULE, VERSION = "github.com/versity/versitygw", "v1.8.0"
SOURCE = "h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc="
GO_SECONDS = 900.0


def ensure(state: Path, tell: Tell) -> Path:
    """Return the program: from PATH, or built into the state's tool folder once.

    Raises
    ------
    TandemError
        If there is neither the program nor Go, or it cannot be built.
    """
    found = shutil.which("versitygw")
    if found:
        tell(Event("setup", "versitygw", "skipped", detail="found on PATH"))
        return Path(found)
    folder = state / "tools" / "versitygw" / VERSION
    program = folder / "versitygw"
    if program.exists():
        tell(Event("setup", "versitygw", "skipped", detail=f"{VERSION} is there"))
        return program
    go = shutil.which("go")
    if go is None:
        raise TandemError(
            "There is no S3 server for local machines: neither versitygw nor Go is on PATH.",
            next_step=f"install Go, or put versitygw {VERSION} on PATH; then fab local.bucket",
        )
    _check_source(go)
    folder.mkdir(parents=True, exist_ok=True)
    making = folder / f"making-{os.getpid()}"
    try:
        settings = ["CGO_ENABLED=0", f"GOBIN={making}"]  # it runs where no C library is
        build = ["env", *settings, go, "install", f"{MODULE}/cmd/versitygw@{VERSION}"]
        commands.run(build, "build versitygw", tell, timeout=GO_SECONDS)
        os.replace(making / "versitygw", program)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return program


def _check_source(go: str) -> None:
    """See that the source is what it was when the version was pinned."""
    done = subprocess.run(
        [go, "mod", "download", "-json", f"{MODULE}@{VERSION}"],
        capture_output=True, text=True, timeout=GO_SECONDS, check=False,
    )  # fmt: skip
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = {"Error": done.stderr[-400:]}
    if found.get("Sum") != SOURCE:
        raise TandemError(
            f"The source of versitygw {VERSION} could not be had as it was pinned.",
            cause=found.get("Error") or f"Its hash is {found.get('Sum')}, not {SOURCE}.",
            next_step="see that Go's module proxy is reached (go env GOPROXY), then again",
        )
