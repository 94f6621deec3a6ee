"""Run a program of ours on a node: its text goes along, so versions can never differ."""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import DEADLINE_PASSED, FAILED, REFUSED, TandemError
from provision import node
from provision.command import Command, Quote
from provision.connection import Connection
from provision.words import plain_text

# The interpreter isolates itself: no user site, no PYTHON* variables, no current folder.
_BOOT = """
import json, sys, types
bundle = json.loads(sys.stdin.buffer.readline())
for name, source in bundle["modules"]:
    module = types.ModuleType(name)
    module.__path__ = []
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    exec(compile(source, name, "exec"), module.__dict__)
from provision.node import program
program.run(sys.modules[bundle["entry"]], bundle["request"])
"""
NO_PROGRAM = 127
LINE_LIMIT = 16 * 1024 * 1024


class NodeFailure(TandemError):
    """A program on a node could not do its work; the message names the node."""


@dataclass(frozen=True)
class Program:
    """A program for nodes: a module of `provision.node`, and those that it imports.

    `bare` programs need nothing but the standard library and start fastest.
    """

    module: str
    needs: tuple[str, ...] = ()
    bare: bool = True


def call(
    connection: Connection,
    program: Program,
    request: Mapping[str, Any],
    *,
    timeout: float,
    python: str = "python3",
    on_event: Callable[[Mapping[str, Any]], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Any:
    """Run a program on a node and return its result.

    Parameters
    ----------
    python : str
        The interpreter there.
    on_event : callable, optional
        Is given each event of the program as it comes.
    cancelled : callable, optional
        Is asked now and then; once true, the program is told to give up.

    Raises
    ------
    NodeFailure
        With the program's own words, or what became of it.
    DeadlineError, ConnectionLost
        As `Connection.run`.
    """
    reader = _Reader(on_event)
    flags = ("-I", "-S") if program.bare else ("-I",)
    command = Command(Quote(python), *flags, "-c", Quote(_BOOT))
    result = connection.run(
        command,
        timeout=timeout,
        stdin=_bundle(program, request),
        hold_stdin=True,
        watch=reader.feed,
        cancelled=cancelled,
    )
    if reader.answer is None:
        raise _silent(connection, python, result.exit_code, result.complaint)
    if "result" in reader.answer:
        return reader.answer["result"]
    raise _failure(connection, reader.answer.get("error"))


def _bundle(program: Program, request: Mapping[str, Any]) -> bytes:
    names = ("provision", "provision.node")
    own = ("program", *program.needs, program.module)
    modules = [(name, "") for name in names]
    modules += [(f"provision.node.{name}", _source(name)) for name in own]
    bundle = {
        "modules": modules,
        "entry": f"provision.node.{program.module}",
        "request": dict(request),
    }
    return json.dumps(bundle).encode() + b"\n"


@functools.cache
def _source(name: str) -> str:
    return (Path(node.__file__).parent / f"{name}.py").read_text(encoding="utf-8")


def source_digest(module: str) -> str:
    """Return a fingerprint of a program's text: processes it started are as old as it is."""
    return hashlib.sha256(_source(module).encode()).hexdigest()[:12]


class _Reader:
    """Takes JSON lines apart as they arrive; the answer is the last of them."""

    def __init__(self, on_event: Callable[[Mapping[str, Any]], None] | None) -> None:
        self._on_event = on_event
        self._rest = b""
        self.answer: dict[str, Any] | None = None

    def feed(self, part: bytes) -> None:
        *lines, self._rest = (self._rest + part).split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            raise NodeFailure(f"A node sent a line of more than {LINE_LIMIT} bytes.")
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if not isinstance(record, dict):
                continue
            event = record.get("event")
            if isinstance(event, dict):
                if self._on_event is not None:
                    self._on_event(event)
            elif "result" in record or "error" in record:
                self.answer = record


def _silent(connection: Connection, python: str, code: int, complaint: str) -> NodeFailure:
    if code == NO_PROGRAM:
        return NodeFailure(
            f"{connection.where} has no program {python}.",
            cause=complaint,
            next_step="install Python 3.11, 3.12 or 3.13 there as python3",
        )
    return NodeFailure(
        f"A program on {connection.where} ended with {code} and without an answer.",
        cause=complaint or "It wrote nothing.",
        next_step=f"look at the node: fab cluster.logs --node {connection.node_name}",
    )


def _failure(connection: Connection, record: Any) -> NodeFailure:
    texts = record if isinstance(record, dict) else {}
    problem, cause, step, kind = (
        plain_text(str(texts.get(key) or ""))
        for key in ("problem", "cause", "next_step", "kind")
    )
    error = NodeFailure(
        f"{connection.node_name}: {problem}",
        cause=cause or None,
        next_step=step or f"look at the node: fab cluster.logs --node {connection.node_name}",
    )
    error.exit_code = {"deadline": DEADLINE_PASSED, "refused": REFUSED}.get(kind, FAILED)
    return error
