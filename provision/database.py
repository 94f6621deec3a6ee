"""The cluster's database: PostgreSQL on the head, for members, started when it is needed."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts import database, ports
from contracts.files import single_writer
from contracts.inventory import Inventory
from contracts.progress import Event, Tell, step, tell_nobody
from provision import bringup_steps, engine_settings
from provision.bringup import PURPOSE, Request, open_context
from provision.command import Secret
from provision.credentials import Credentials
from provision.links import Links
from provision.node_requests import STOP_GRACE
from provision.parallel import on_each
from provision.place import Place
from provision.remote_program import Program, call, source_digest

RECORD = "database"
START = Program("database", needs=("records", "database_install", "database_files"))
PERFORM = Program("perform", bare=False)
PUT_SECONDS = 60.0
READY_SECONDS = 60.0
START_SECONDS = 900.0  # an installation of PostgreSQL among them
SPARE_CONNECTIONS = 20
# PostgreSQL asks for a quarter of a machine of its own; here the engine has most of it.
MEMORY_SHARE = 32
MOST_MEMORY = 1 << 30


def ensure(
    links: Links,
    inventory: Inventory,
    state: Path,
    names: Sequence[str] = (),
    tell: Tell = tell_nobody,
) -> bool:
    """Make the database run on the head, and give nodes what they connect with.

    `names` are the nodes that are to read from it; by default the head. Every machine of the
    inventory may connect, and none else. Returns False where it ran already.

    Raises
    ------
    TandemError
        If a node cannot be reached, or PostgreSQL is missing and cannot be installed.
    """
    head = inventory.head
    secrets = Credentials(state, inventory).for_database(head)
    for_members = {name: secrets[name] for name in (database.SETTINGS, database.AUTHORITY)}

    def give(name: str) -> None:
        files = secrets if name == head.name else for_members
        for path, secret in files.items():
            links[name].put(secret.reveal().encode(), f".tandem/{path}", 0o600)

    def heard(event: Any) -> None:
        tell(Event(head.name, "database", "running", detail=str(event.get("step", ""))))

    readers = list(dict.fromkeys([head.name, *names]))
    lock = single_writer(state / "cluster.lock", purpose=PURPOSE)
    with lock, step(tell, head.name, "database"):
        on_each("bringing the database's key", readers, give, seconds=PUT_SECONDS).values()
        answer = call(
            links[head.name],
            START,
            start_request(inventory, secrets),
            timeout=START_SECONDS,
            on_event=heard,
        )
    return bool(answer["started"])


def start_request(inventory: Inventory, secrets: dict[str, Secret]) -> dict[str, Any]:
    """Return what the starter on the head is told; it holds no secret."""
    head = inventory.head
    slots = sum(engine_settings.slots(node) for node in inventory.nodes)
    request: dict[str, Any] = {
        "address": head.private_ip,
        "port": ports.DATABASE.first,
        "members": [node.private_ip for node in inventory.nodes],
        "connections": slots + SPARE_CONNECTIONS,
        "memory": min(head.memory_bytes // MEMORY_SHARE, MOST_MEMORY),
        "settings": database.SETTINGS,
        "certificate": database.CERTIFICATE,
        "key": database.KEY,
        "seconds": READY_SECONDS,
    }
    digests = [hashlib.sha256(one.reveal().encode()).hexdigest() for one in secrets.values()]
    sources = [source_digest(name) for name in ("database", "database_files")]
    text = json.dumps([request, sorted(digests), sources], sort_keys=True)
    return {**request, "spec": hashlib.sha256(text.encode()).hexdigest()[:16]}


def equip(request: Request, tell: Tell, links: Links) -> Place:
    """Bring environment and code to the head; nothing that runs there is ended.

    Raises
    ------
    TandemError
        As a bring-up that gets no further.
    """
    with single_writer(request.state / "cluster.lock", purpose=PURPOSE):
        context = open_context(request, tell, links)
        for each in (bringup_steps.reach, bringup_steps.check, bringup_steps.environment):
            each(context)
        head = context.head.name
        facts, link = context.facts[head], links[head]
        if not facts.code:
            with step(tell, head, "code"):
                mark = context.bundle.fingerprint
                link.put(context.bundle.content, f"{facts.home}/code/{mark}.whl", 0o600)
                keep: dict[str, Any] = {"stop": [], "owner": None, "monitor": None}
                call(
                    link,
                    bringup_steps.PREPARE,
                    {**keep, "grace": STOP_GRACE, "home": facts.home, "code": mark},
                    timeout=bringup_steps.PREPARE_SECONDS,
                )
        code = f"{facts.home}/code/{context.bundle.fingerprint}"
        return Place(facts.home, context.plans[head].path, code)


def perform(
    links: Links,
    node: str,
    place: Place,
    function: str,
    given: dict[str, Any],
    *,
    seconds: float,
    tell: Tell = tell_nobody,
    name: str = "work",
) -> Any:
    """Call a function of the project's own code on a node, and hear how far it is.

    It is called as `function(tell, **given)`, and ends with the connection that began it.

    Raises
    ------
    NodeFailure
        With the function's own words.
    """

    def heard(event: Any) -> None:
        fraction, detail = event.get("fraction"), str(event.get("detail", ""))
        tell(Event(node, name, "running", detail=detail, fraction=fraction))

    with step(tell, node, name):
        return call(
            links[node],
            PERFORM,
            {"code": place.code, "function": function, "given": given},
            timeout=seconds,
            python=place.python,
            on_event=heard,
        )
