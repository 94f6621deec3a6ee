"""The bucket of a cluster: proved from every node, and what is kept there of it."""

import datetime
import io
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts import limits, machine_files
from contracts.errors import UsageError
from contracts.inventory import Inventory
from contracts.progress import Tell, step, tell_nobody
from provision import lock as locks
from provision.environment_plan import environment_plan
from provision.facts import parse
from provision.links import Links
from provision.node import store as node_store
from provision.parallel import Outcomes, on_each
from provision.remote_program import NodeFailure, Program, call

CHECK = Program("check", needs=("environment", "records"))
STORE = Program("store", bare=False)
CHECK_SECONDS = 90.0
SAVE_SECONDS = 600.0
RESULTS = "results.tar.gz"


def request(inventory: Inventory, node: str) -> dict[str, Any]:
    """Return what a node has to know of the bucket.

    Raises
    ------
    UsageError
        If the inventory names none.
    """
    if inventory.bucket is None:
        raise UsageError(
            f"The inventory of {inventory.cluster_id!r} names no bucket.",
            next_step="name one as bucket; results and logs stay where they are until then",
        )
    return {
        "bucket": inventory.bucket,
        "region": inventory.bucket_region or inventory.region,
        "prefix": prefix(inventory),
        "node": node,
    }


def prefix(inventory: Inventory) -> str:
    """Return under what the objects of a cluster lie: its name and when it was made."""
    made = datetime.datetime.fromisoformat(inventory.created_at)
    return f"{inventory.cluster_id}/{made.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}"


def pythons(
    links: Links, inventory: Inventory, lock: Path, tell: Tell = tell_nobody
) -> dict[str, str]:
    """Return the interpreter of the locked environment on every node.

    Raises
    ------
    NodesFailed
        If a node does not answer, or never got its environment.
    """
    wanted = locks.load(lock)

    def look(name: str) -> str:
        address = inventory.node(name).private_ip
        ask = {"lock": wanted.fingerprint, "code": "none", "address": address}
        with step(tell, name, "check"):
            answer = call(links[name], CHECK, ask, timeout=CHECK_SECONDS)
        plan = environment_plan(parse(name, answer, clock=time.time()), wanted)
        if plan.action == "create":
            raise NodeFailure(
                f"{name} has no environment, so nothing of ours ran there.",
                next_step="fab cluster.start --engine ray",
            )
        return f"{plan.path}/bin/python"

    names = [node.name for node in inventory.nodes]
    return on_each("checking", names, look, seconds=CHECK_SECONDS + 15.0).values()


def bring_key(
    links: Links, inventory: Inventory, state: Path, homes: Mapping[str, str]
) -> None:
    """Give machines that have no role for the bucket the key that the operator holds, if any.

    `homes` are Tandem's folders, by node.
    """
    path = machine_files.store(state, inventory.cluster_id)
    if not path.exists():
        return
    content = path.read_bytes()

    def give(name: str) -> None:
        links[name].put(content, f"{homes[name]}/{node_store.CREDENTIALS}", 0o600)

    on_each("bringing the bucket's key", list(homes), give, seconds=CHECK_SECONDS).values()


def check(
    links: Links, inventory: Inventory, pythons: Mapping[str, str], tell: Tell = tell_nobody
) -> Outcomes[Any]:
    """Write to the bucket and read back from every node; each that cannot is named.

    `pythons` are the interpreters of the environments, by node.
    """

    def ask(name: str) -> Any:
        wish = {"ask": "check", **request(inventory, name)}
        with step(tell, name, "bucket"):
            return call(links[name], STORE, wish, timeout=CHECK_SECONDS, python=pythons[name])

    return on_each("reaching the bucket", list(pythons), ask, seconds=CHECK_SECONDS + 15.0)


def save(
    links: Links,
    inventory: Inventory,
    pythons: Mapping[str, str],
    folder: Path | None,
    tell: Tell = tell_nobody,
) -> Outcomes[Any]:
    """Put logs and runs of every node into the bucket, and a folder of results with them.

    The results travel through the head, so that the operator needs no access to the bucket.
    Values are the keys and sizes in bytes.
    """
    head = inventory.head.name

    def send(name: str) -> Any:
        wish = request(inventory, name)
        with step(tell, name, "save"):
            ask = {"ask": "save", **wish}
            done = [call(links[name], STORE, ask, timeout=SAVE_SECONDS, python=pythons[name])]
            if name == head and folder is not None:
                links[name].put(_packed(folder), f".tandem/outbox/{RESULTS}", 0o600)
                put = {"ask": "put", "file": RESULTS, **wish}
                done.append(
                    call(links[name], STORE, put, timeout=SAVE_SECONDS, python=pythons[name])
                )
        return done

    return on_each("saving", list(pythons), send, seconds=2 * SAVE_SECONDS)


def last_work(inventory: Inventory, node: str, home: str, python: str) -> dict[str, Any]:
    """Return what a machine does before it ends itself: it saves what was written on it."""
    wish = request(inventory, node)
    words: Sequence[str] = [wish[key] for key in ("bucket", "region", "prefix", "node")]
    return {"home": home, "command": [python, "-I", limits.WATCHDOG, "save", *words]}


def _packed(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, folder.name)
    return packed.getvalue()
