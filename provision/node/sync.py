"""Make or repair this node's environment from the lock, with uv and the node's own Python."""

from __future__ import annotations

import glob
import gzip
import os
import shutil
import subprocess
import threading
from typing import Any

from provision.node.program import Channel, Failure

SUPPORTED = ">=3.11,<3.14"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
LINES_KEPT = 40
# The engine starts in that time; on a small machine it would wait for the compiler.
COMPILE_AFTER_SECONDS = 20


def main(request: dict[str, Any], channel: Channel) -> bool:
    """Bring the environment at `path` to what the lock says; return the seconds it took."""
    path, uv = request["path"], request["uv"]
    if request["uv_sent"]:
        _unpack(request["uv_sent"], uv)
    variables = {**os.environ, **request["environment"], "VIRTUAL_ENV": path}
    if os.path.exists(AUTHORITIES):
        variables.setdefault("SSL_CERT_FILE", AUTHORITIES)
    if request["action"] == "create":
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _run(
            [uv, "venv", "--python", SUPPORTED, "--no-project", path],
            variables,
            request,
            channel,
        )
    if request["reinstall"]:
        # What the environment and uv's store share is damaged in both.
        _run([uv, "cache", "clean", *request["reinstall"]], variables, request, channel)
    command = [uv, "pip", "sync", "--require-hashes", "--link-mode", "hardlink"]
    if request["compile"]:
        command.append("--compile-bytecode")
    for name in request["reinstall"]:
        command += ["--reinstall-package", name]
    if request["wheelhouse"]:
        command += ["--no-index", "--find-links", request["wheelhouse"]]
    _run([*command, request["lock"]], variables, request, channel)
    if not request["compile"]:
        _compile_meanwhile(path)
    return True


def _unpack(packed: str, program: str) -> None:
    """Make a program of what was sent compressed; whoever looks sees all of it or none."""
    with gzip.open(packed) as source, open(f"{program}.part", "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    os.chmod(f"{program}.part", 0o700)
    os.replace(f"{program}.part", program)
    os.unlink(packed)


def _compile_meanwhile(path: str) -> None:
    """Compile all packages a little later; what is imported before its turn compiles itself.

    The slowest part of a new environment, which nobody has to wait for. It takes only time
    that is left over, and goes on when this program has ended.
    """
    python = os.path.join(path, "bin", "python")
    (packages,) = glob.glob(os.path.join(path, "lib", "python3.*", "site-packages"))
    later = f'sleep {COMPILE_AFTER_SECONDS}; exec nice -n 19 "$@"'
    subprocess.Popen(
        ["sh", "-c", later, "compile", python, "-I", "-m", "compileall", "-q", packages],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _run(
    command: list[str],
    variables: dict[str, str],
    request: dict[str, Any],
    channel: Channel,
) -> None:
    """Run uv and pass its lines on; they also say what went wrong."""
    lines: list[str] = []
    process = subprocess.Popen(
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    timer = threading.Timer(request["seconds"], process.kill)
    timer.start()
    try:
        for line in process.stdout or ():
            lines = [*lines, line.rstrip()][-LINES_KEPT:]
            channel.tell(line=line.rstrip()[:200])
        code = process.wait()
    finally:
        timer.cancel()
    if code != 0:
        raise Failure(
            f"uv could not bring the environment {request['path']} to the lock (exit {code}).",
            cause="\n".join(lines[-12:]),
            next_step="let the node reach the package index, or put the lock's wheels into "
            "the operator's folder that the message above names",
        )
