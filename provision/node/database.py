"""PostgreSQL on this node: installed where missing, set up once, started for members only.

It runs as the user of this machine, in Tandem's folder; a process beside it turns the end that
every record gets into the end that PostgreSQL finishes quickly.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Any

from provision.node import database_files, database_install, records
from provision.node.program import Channel, Failure, wait_until

NAME = "database"
GRACE_SECONDS = 5.0
COMMAND_SECONDS = 60.0
CONNECT_SECONDS = 10.0
OWNER = "owner"


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Make PostgreSQL run as the request says; return whether it had to be started.

    `request` has the `address` to listen on, the `port`, the `members` that may connect, the
    most `connections` at once, the `memory` for pages in bytes, the `settings` file with the
    password, `certificate` and `key` (paths relative to Tandem's folder), how many `seconds` a
    start may take, and `spec`, the fingerprint of all that.
    """
    home = os.path.join(os.path.expanduser("~"), ".tandem")
    record = records.load(home, NAME)
    if record and record["spec"] == request["spec"] and records.complete(record):
        return {"started": False}
    if os.geteuid() == 0:
        raise Failure(
            "PostgreSQL does not run as root, and this machine's SSH user is root.",
            next_step="name another user as ssh_user in the inventory",
        )
    folder = os.path.join(home, NAME)
    data = os.path.join(folder, "data")
    os.makedirs(os.path.join(folder, "socket"), mode=0o700, exist_ok=True)
    programs = database_install.programs(data, channel)
    if records.stop(home, NAME, grace=GRACE_SECONDS):
        channel.tell(step="what ran before is ended")
    _forget_dead_server(data)
    if not os.path.exists(os.path.join(data, "PG_VERSION")):
        channel.tell(step="making its folder")
        _make(programs, folder, data)
    user = database_files.write(home, data, request, OWNER)
    record = records.begin(home, NAME, request["spec"], user=user)
    channel.detach(os.path.join(home, "logs", "database.log"))
    try:
        supervisor = _begin(channel, [os.path.join(programs, "postgres"), "-D", data])
        records.add(record, "supervisor", supervisor)
        channel.tell(step="starting")
        records.add(record, "server", _await_ready(home, data, supervisor, request["seconds"]))
        _let_in(programs, home, folder, request)
        _prove_closed(request["address"], request["port"])
    except BaseException:
        records.stop(home, NAME, grace=GRACE_SECONDS)
        raise
    record["state"] = "ready"
    records.save(home, record)
    return {"started": True}


def _make(programs: str, folder: str, data: str) -> None:
    """Make the folder of the data beside its place and move it there whole."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as made:
        target = os.path.join(made, "data")
        _run(
            [
                os.path.join(programs, "initdb"), "--pgdata", target, "--username", OWNER,
                "--auth", "peer", "--encoding", "UTF8", "--locale", "C", "--no-instructions",
            ]
        )  # fmt: skip
        shutil.rmtree(data, ignore_errors=True)
        os.rename(target, data)


def _forget_dead_server(data: str) -> None:
    """Remove the note of a server that is gone, whose number another process may have now."""
    note = os.path.join(data, "postmaster.pid")
    try:
        with open(note) as stream:
            pid = int(stream.readline())
        with open(f"/proc/{pid}/comm") as stream:
            if stream.read().strip() in ("postgres", "postmaster"):
                raise Failure(
                    f"A PostgreSQL that Tandem does not know runs here on {data}: {pid}.",
                    next_step=f"kill -INT {pid} on that machine, then the same command again",
                )
    except (OSError, ValueError):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(note)


def _begin(channel: Channel, command: Sequence[str]) -> int:
    """Run the server under a process that ends it quickly when it is told to end."""
    pid = os.fork()
    if pid:
        return pid
    try:
        channel.close()
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        # SIGTERM lets PostgreSQL wait for its clients, and SIGINT does not.
        signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGINT))
        server.wait()
    finally:
        os._exit(0)


def _await_ready(home: str, data: str, supervisor: int, seconds: float) -> int:
    """Return the process number of the server once it takes connections."""

    def ready() -> int | None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(os.path.join(data, "postmaster.pid")) as stream:
                lines = stream.read().splitlines()
            return int(lines[0]) if lines[7].strip() == "ready" else None
        return None

    found = wait_until(lambda: ready() or records.process(supervisor) is None, seconds)
    pid = ready()
    if pid is not None:
        return pid
    words = "ended at once" if found else f"did not start within {seconds:.0f} s"
    raise Failure(f"PostgreSQL {words}.", cause=_last_words(home))


def _let_in(programs: str, home: str, folder: str, request: dict[str, Any]) -> None:
    """Make the user and the database that members use, if missing, and set its password."""
    with open(os.path.join(home, request["settings"])) as stream:
        settings = json.load(stream)
    user, name, password = (settings[key] for key in ("user", "database", "password"))
    if not (user + name + password).isalnum():
        raise Failure("The database's user, name or password has other signs than expected.")
    text = f"""
        SELECT 'CREATE ROLE {user} LOGIN'
        WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{user}') \\gexec
        ALTER ROLE {user} PASSWORD '{password}';
        SELECT 'CREATE DATABASE {name} OWNER {user}'
        WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec
        REVOKE ALL ON DATABASE {name} FROM PUBLIC;
    """  # noqa: S608  letters and digits, as was just seen
    place = ["--host", os.path.join(folder, "socket"), "--port", str(request["port"])]
    _run(
        [
            os.path.join(programs, "psql"), *place, "--username", OWNER, "--dbname", "postgres",
            "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", "-",
        ],
        given=text,
    )  # fmt: skip


def _prove_closed(address: str, port: int) -> None:
    """See the server refuse a member that comes without TLS and without a password.

    The first byte of an answer is E where it is an error: protocol 3.0, "Message Formats".
    """
    words = b"user\0tandem\0database\0tandem\0\0"
    hello = struct.pack("!ii", len(words) + 8, 3 << 16) + words
    with socket.create_connection((address, port), CONNECT_SECONDS) as probe:
        probe.settimeout(CONNECT_SECONDS)
        probe.sendall(hello)
        answer = probe.recv(1)
    if answer != b"E":
        raise Failure(
            f"PostgreSQL at {address}:{port} lets a client in that has no password.",
            next_step="fab cluster.stop, then fab data.load again",
            kind="refused",
        )


def _run(command: Sequence[str], given: str = "") -> None:
    """Run a program of PostgreSQL to its end; what it says is the cause if it fails."""
    name = os.path.basename(command[0])
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=COMMAND_SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{name} did not end in {COMMAND_SECONDS:.0f} s.") from error
    if done.returncode:
        raise Failure(f"{name} ended with {done.returncode}.", cause=done.stderr[-1000:])


def _last_words(home: str) -> str:
    try:
        with open(os.path.join(home, "logs", "database.log"), errors="replace") as stream:
            return "\n".join(stream.read().splitlines()[-5:])
    except OSError:
        return ""
