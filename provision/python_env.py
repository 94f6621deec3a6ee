"""Bring a node's environment to the lock: with uv, from the index or from pushed wheels."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.environment import INDEX_VARIABLES
from contracts.progress import Event, Tell
from provision import node_uv
from provision.connection import Connection
from provision.environment_plan import EnvironmentPlan, table
from provision.facts import Facts
from provision.lock import Lock
from provision.remote_program import NodeFailure, Program, call

SYNC = Program("sync")
SYNC_SECONDS = 1200.0
# What one node may take: uv is fetched and sent, packages are installed.
NODE_SECONDS = SYNC_SECONDS + node_uv.FETCH_SECONDS
# What uv says at the end of each of its parts, and what we call the part.
_PARTS = {"Prepared": "download", "Installed": "install", "Bytecode compiled": "compile"}
_PART_DONE = re.compile(rf"({'|'.join(_PARTS)}) \d+ \w+ in (?:(\d+)m )?([\d.]+)(ms|s)")


@dataclass(frozen=True)
class Source:
    """Where packages come from: variables for uv, and wheels to push, if there are any."""

    variables: Mapping[str, str]
    wheels: tuple[Path, ...]
    wheelhouse: Path


def source(state: Path) -> Source:
    """Return where nodes get packages: the folder `wheelhouse` of the state, or an index."""
    wheelhouse = state / "wheelhouse"
    found = {name: os.environ[name] for name in INDEX_VARIABLES if os.environ.get(name)}
    variables = {"UV_PYTHON_DOWNLOADS": "never", "UV_HTTP_TIMEOUT": "120", **found}
    return Source(variables, tuple(sorted(wheelhouse.glob("*.whl"))), wheelhouse)


def bring(
    connection: Connection,
    facts: Facts,
    plan: EnvironmentPlan,
    lock: Lock,
    origin: Source,
    tell: Tell,
    *,
    compile_all: bool = False,
) -> None:
    """Make or repair the environment of one node.

    Its modules are compiled after this has ended, or before it ends if `compile_all`.

    Raises
    ------
    NodeFailure
        If that is not possible; the message has the differences, so that nothing joins with
        another environment unnoticed.
    """
    name = connection.node_name
    sent = None if facts.uv else _push_uv(connection, facts, origin, tell)
    lock_path = f"{facts.home}/env/{lock.fingerprint}.lock"
    connection.put(lock.content, lock_path, 0o600)
    request = {
        "uv": facts.uv or f"{facts.home}/tools/uv",
        "uv_sent": sent,
        "path": plan.path,
        "action": plan.action,
        "reinstall": list(plan.reinstall),
        "lock": lock_path,
        "compile": compile_all,
        "wheelhouse": _push_wheels(connection, facts, origin, tell),
        "environment": dict(origin.variables),
        "seconds": SYNC_SECONDS,
    }

    def heard(event: Mapping[str, object]) -> None:
        line = str(event.get("line", ""))
        tell(Event(name, "environment", "running", detail=line))
        if part := part_done(line):
            tell(Event(name, part[0], "done", part[1]))

    try:
        call(connection, SYNC, request, timeout=SYNC_SECONDS + 30, on_event=heard)
    except NodeFailure as error:
        told = f"{table(plan.rows)}\n" if plan.rows else ""
        raise NodeFailure(
            f"The environment of {name} is not what the lock says: {plan.reason}.",
            cause=f"{told}{error.problem}\n{error.cause or ''}".strip(),
            next_step=f"let {name} reach the package index, or put the wheels of the lock into "
            f"{origin.wheelhouse} (pip download --require-hashes -r {lock.path.name} -d "
            f"{origin.wheelhouse}), then run the same command again",
        ) from error


def part_done(line: str) -> tuple[str, float] | None:
    """Return which part of bringing an environment uv says it ended, and its seconds."""
    found = _PART_DONE.match(line)
    if found is None:
        return None
    word, minutes, number, unit = found.groups()
    return _PARTS[word], 60 * int(minutes or 0) + float(number) / (1000 if unit == "ms" else 1)


def _push_uv(connection: Connection, facts: Facts, origin: Source, tell: Tell) -> str:
    """Send the operator's own uv, or one for the node's kind of machine; return where it is."""
    tell(Event(connection.node_name, "environment", "running", detail="uv is sent"))
    program = node_uv.binary(facts.system, facts.machine, origin.wheelhouse.parent)
    path = f"{facts.home}/tools/uv.gz"
    connection.put(node_uv.packed(program), path, 0o600)
    return path


def _push_wheels(
    connection: Connection, facts: Facts, origin: Source, tell: Tell
) -> str | None:
    """Send the operator's wheels that the node lacks; return their folder there, if any."""
    if not origin.wheels:
        return None
    folder = f"{facts.home}/wheelhouse"
    for index, wheel in enumerate(origin.wheels):
        share = index / len(origin.wheels)
        tell(
            Event(
                connection.node_name, "environment", "running", 0.0, wheel.name, fraction=share
            )
        )
        content = wheel.read_bytes()
        mark = f"{folder}/{wheel.name}.sha256"
        digest = hashlib.sha256(content).hexdigest().encode()
        if connection.get(mark) != digest:
            connection.put(content, f"{folder}/{wheel.name}", 0o644)
            connection.put(digest, mark, 0o644)
    return folder
