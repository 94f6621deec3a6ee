"""The limits of the machines of an inventory: how long they live, how long they may idle."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts import limits, machine_files
from contracts.errors import InvalidDocument
from contracts.inventory import Inventory
from contracts.progress import Tell, step, tell_nobody
from provision.connection import Connection
from provision.links import Links
from provision.parallel import Outcomes, on_each
from provision.remote_program import NodeFailure, Program, call

GUARD = Program("guard")
GUARD_SECONDS = 90.0
_ROOT = Path(__file__).resolve().parents[1]


def limits_of(inventory: Inventory) -> limits.Limits | None:
    """Return the limits that an inventory sets; None if it sets none."""
    hours, minutes = inventory.ttl_hours, inventory.idle_minutes
    found = limits.Limits(
        expires_at=inventory.expires_at,
        ttl_seconds=None if hours is None else round(hours * 3600),
        idle_seconds=None if minutes is None else round(minutes * 60),
    )
    return None if found == limits.Limits() else found


def apply(
    links: Links,
    inventory: Inventory,
    names: Sequence[str],
    tell: Tell = tell_nobody,
    last_work: Mapping[str, Mapping[str, Any]] | None = None,
    ending: Mapping[str, Any] | None = None,
) -> Outcomes[bool]:
    """Give machines the limits of their inventory, all at once; every one is tried.

    `last_work` is what each does before it ends, and `ending` what lets the head delete all of
    them; without these, what was told before stays. The value of each is whether the watchdog
    had to be started.
    """
    wanted = limits_of(inventory) or limits.Limits()
    program = limits.pack(_ROOT)

    def give(name: str) -> bool:
        with step(tell, name, "limits"):
            document = wanted.document()
            if name in (last_work or {}):
                document["before"] = dict((last_work or {})[name])
            if ending is not None and name == inventory.head.name:
                document["ending"] = dict(ending)
            return set_limits(links[name], program, document)

    return on_each("setting limits", list(names), give, seconds=2 * GUARD_SECONDS)


def ending(state: Path, inventory: Inventory) -> Mapping[str, Any] | None:
    """Return what lets the head delete the machines; None where shutting down is an end.

    Raises
    ------
    InvalidDocument
        If the file of it is damaged.
    """
    path = machine_files.ending(state, inventory.cluster_id)
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text())
        known = {one.instance_id for one in inventory.nodes} <= set(found["servers"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidDocument(
            source=str(path),
            problems=[f"{error!r}"],
            next_step="pulumi up, which writes it anew",
        ) from error
    if not known:
        raise InvalidDocument(
            source=str(path),
            problems=["servers: does not have every machine of the inventory"],
            next_step="pulumi up, which writes it anew",
        )
    return dict(found)


def set_limits(connection: Connection, program: bytes, document: Mapping[str, Any]) -> bool:
    """Give one machine its limits; return whether its watchdog had to be started.

    Raises
    ------
    NodeFailure
        If the machine's user may not do what only root may.
    """
    request = {"limits": dict(document), "digest": hashlib.sha256(program).hexdigest()}
    answer = call(connection, GUARD, request, timeout=GUARD_SECONDS)
    if answer["missing"]:
        # Relative to the folder in which an SFTP session begins, which is the user's own.
        connection.put(program, ".tandem/watchdog.pyz", 0o700)
        home = connection.sftp().normalize(".")
        request["path"] = f"{home}/.tandem/watchdog.pyz"
        answer = call(connection, GUARD, request, timeout=GUARD_SECONDS)
    if answer["missing"]:
        raise NodeFailure(
            f"{connection.node_name}: the program that ends the machine could not be put there."
        )
    return bool(answer["words"] == "started")
