"""Local machines: containers with sshd, each with its own limits, on a network of their own."""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker

from contracts import endpoint as endpoints
from contracts import inventory as inventories
from contracts import machine_files
from contracts.errors import InvalidDocument, RefusedError, TandemError, UsageError
from contracts.files import single_writer
from contracts.inventory import Inventory, Node
from contracts.progress import Tell, step, tell_nobody
from infra import docker_engine, local_store, node_image
from infra import local_containers as containers
from infra.local_network import make_network, remove_network
from infra.local_observed import observe as observe_with
from infra.local_plan import (
    Machine,
    Observed,
    Plan,
    check_owner,
    machine_names,
    make_plan,
)
from infra.settings import Door, LocalSettings, check_fit
from infra.ssh_keys import operator_key

__all__ = ["LocalSettings", "Machine", "Observed", "down", "observe", "preview", "up"]

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
USER = "tandem"
_AT_ONCE = 4


def up(settings: LocalSettings, tell: Tell = tell_nobody) -> Inventory:
    """Make the machines as wanted, write the inventory, and return it.

    What is there and fits stays; missing machines are made, surplus ones removed, limits
    changed in place. A second call changes nothing. If a machine cannot be made, all that
    this call made is removed again.

    Raises
    ------
    RefusedError
        If the machines belong to the other door or another state folder, or the state
        folder holds the inventory of another cluster.
    UsageError
        If machines of this size do not fit on this computer; nothing is touched.
    TandemError
        If a machine cannot be made; the message carries the outcome of each.
    """
    with one_at_a_time(settings.state):
        with docker_engine.connect() as client:
            _check(client, settings)
        image = settings.image or node_image.ensure(LOCK, settings.state, tell)
        key = operator_key(_key_path(settings))
        with docker_engine.connect() as client:
            found = observe_with(client, settings.cluster_id)
            plan = make_plan(settings, found, image=image, user_key=key.public)
            _apply(client, settings, found, plan, image, key.public, tell)
            found = observe_with(client, settings.cluster_id)
        return _write_inventory(settings, found)


def preview(settings: LocalSettings) -> Plan:
    """Return what `up` would do, with the same refusals; touches nothing."""
    with docker_engine.connect() as client:
        _check(client, settings)
        found = observe_with(client, settings.cluster_id)
    path = _key_path(settings)
    key = operator_key(path).public if path.exists() else ""
    image = settings.image or node_image.wanted_tag(LOCK)
    return make_plan(settings, found, image=image, user_key=key)


def observe(cluster_id: str) -> Observed:
    """Return what the engine has of a cluster, found by labels alone."""
    with docker_engine.connect() as client:
        return observe_with(client, cluster_id)


def removable(cluster_id: str, door: Door, state: Path) -> tuple[str, ...]:
    """Return the names of what `down` would remove, with the same refusals."""
    if not _folder(state, cluster_id).exists() and not docker_engine.answers():
        return ()
    found = observe(cluster_id)
    check_owner(cluster_id, found, door=door, owner=str(state))
    return _names(found)


def down(cluster_id: str, door: Door, state: Path, tell: Tell = tell_nobody) -> tuple[str, ...]:
    """Remove all machines of a cluster, half-made ones too, its network, keys and credentials.

    Returns the names of the containers and networks that were removed; nothing else is
    touched.

    Raises
    ------
    RefusedError
        If they belong to the other door or another state folder.
    """
    folder = _folder(state, cluster_id)
    if not folder.exists() and not docker_engine.answers():
        return ()
    with one_at_a_time(state), docker_engine.connect() as client:
        found = observe_with(client, cluster_id)
        check_owner(cluster_id, found, door=door, owner=str(state))
        there = {one.name or one.container: one.instance_id for one in found.machines}
        _each(
            "remove machine",
            list(there),
            lambda name: containers.remove_machine(client, there[name]),
            tell,
        )
        if found.store:
            containers.remove_machine(client, found.store.instance_id)
        if found.network:
            remove_network(client, found.network)
        if folder.exists():
            shutil.rmtree(folder)
        with contextlib.suppress(UsageError):
            known = _known_inventory(state / "inventory.json")
            if known and (known.provider, known.cluster_id) == ("local", cluster_id):
                (state / "inventory.json").unlink()
        _forget_cluster(state, cluster_id)
    return _names(found)


def _forget_cluster(state: Path, cluster_id: str) -> None:
    """Remove what describes a cluster on machines that are gone: endpoint, credentials."""
    with contextlib.suppress(UsageError):
        if endpoints.load(state / "endpoint.json").cluster_id == cluster_id:
            (state / "endpoint.json").unlink()
    credentials = state / "credentials" / cluster_id
    if credentials.exists():
        shutil.rmtree(credentials)


def _names(found: Observed) -> tuple[str, ...]:
    networks = [found.network.name] if found.network else []
    stores = [found.store.container] if found.store else []
    return (*(machine.container for machine in found.machines), *stores, *networks)


def one_at_a_time(state: Path) -> contextlib.AbstractContextManager[None]:
    """Hold the lock on the machines of a state folder for the length of the block."""
    return single_writer(state / "machines.lock", purpose="a change of local machines")


def _folder(state: Path, cluster_id: str) -> Path:
    return state / "machines" / cluster_id


def _key_path(settings: LocalSettings) -> Path:
    return _folder(settings.state, settings.cluster_id) / "id_ed25519"


def _check(client: docker.DockerClient, settings: LocalSettings) -> None:
    facts = client.info()
    check_fit(settings, cpus=facts["NCPU"], memory_bytes=facts["MemTotal"])
    found = observe_with(client, settings.cluster_id)
    check_owner(settings.cluster_id, found, door=settings.door, owner=str(settings.state))
    path = settings.state / "inventory.json"
    known = _known_inventory(path)
    if known is None or known.cluster_id == settings.cluster_id:
        return
    others = observe_with(client, known.cluster_id).machines
    if known.provider == "local" and not others:
        return  # what it describes is gone
    by_fab = any(machine.door == "fab" for machine in others)
    remove = f"fab local.down --name {known.cluster_id}" if by_fab else "pulumi destroy"
    raise RefusedError(
        f"{path} describes the machines of cluster {known.cluster_id}, "
        f"and this would replace it by cluster {settings.cluster_id}.",
        next_step=f"{remove} first, or set TANDEM_STATE to another folder",
    )


def _known_inventory(path: Path) -> Inventory | None:
    try:
        return inventories.load(path) if path.exists() else None
    except InvalidDocument:
        return None  # half a file describes no machines; `up` writes it anew


def _apply(
    client: docker.DockerClient,
    settings: LocalSettings,
    found: Observed,
    plan: Plan,
    image: str,
    user_key: str,
    tell: Tell,
) -> None:
    there = {machine.name: machine.instance_id for machine in found.machines}
    made: list[str] = []

    def change(action: Callable[..., None], *values: object) -> Callable[[str], None]:
        return lambda name: action(client, there[name], *values)

    def make(name: str) -> None:
        made.append(containers.make_machine(client, settings, network, name, image, user_key))

    _each("remove machine", plan.remove, change(containers.remove_machine), tell)
    if found.store and not found.network:
        containers.remove_machine(client, found.store.instance_id)  # nothing reaches it now
    network = found.network or make_network(client, settings)
    try:
        _each("resume machine", plan.resume, change(containers.resume), tell)
        _each("change limits", plan.resize, change(containers.resize, settings), tell)
        _each("start machine", plan.start, change(containers.start), tell)
        _each("make machine", plan.create, make, tell)
        if found.store and found.network:
            path = machine_files.store(settings.state, settings.cluster_id)
            local_store.wake(client, found.store, path)
    except BaseException:
        for container in made:
            containers.remove_machine(client, container)
        if not found.network:
            remove_network(client, network)
        raise


def _each(what: str, names: Sequence[str], action: Callable[[str], None], tell: Tell) -> None:
    """Do one thing to each machine, a few at once; raise one error with all outcomes."""

    def told(name: str) -> None:
        with step(tell, name, what):
            action(name)

    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="machine")
    try:
        futures = {name: pool.submit(told, name) for name in names}
        errors = {name: future.exception() for name, future in futures.items()}
    finally:
        # On Ctrl-C what is under way ends, and what waits is dropped.
        pool.shutdown(cancel_futures=True)
    failed = {name: error for name, error in errors.items() if error}
    if len(failed) == 1:
        raise next(iter(failed.values()))
    if failed:
        raise TandemError(
            f"{what}: {len(failed)} of {len(names)} failed.",
            cause="\n".join(f"{name}: {error}" for name, error in failed.items()),
            next_step="mend the cause, then run the same command again",
        )


def _write_inventory(settings: LocalSettings, found: Observed) -> Inventory:
    path = settings.state / "inventory.json"
    known = _known_inventory(path)
    same_cluster = known is not None and known.cluster_id == settings.cluster_id
    before = known if same_cluster else None
    inventory = Inventory(
        cluster_id=settings.cluster_id,
        generation=before.generation if before else 1,
        provider="local",
        region="docker",
        created_at=found.network.created_at if found.network else "",
        ssh_user=USER,
        ssh_key_path=str(_key_path(settings)),
        nodes=tuple(_node(machine, settings) for machine in found.machines),
        bucket=found.store.bucket if found.store else None,
        bucket_region=local_store.REGION if found.store else None,
    )
    if inventory == before:
        return inventory
    if before:
        inventory = dataclasses.replace(inventory, generation=before.generation + 1)
    inventories.dump(inventory, path)
    return inventory


def _node(machine: Machine, settings: LocalSettings) -> Node:
    priced = settings.hourly_price is not None
    return Node(
        name=machine.name,
        role="head" if machine.name == machine_names(1)[0] else "worker",
        private_ip=machine.address,
        ssh_host="127.0.0.1",
        ssh_port=machine.ssh_port or 0,
        host_key=machine.host_key,
        instance_id=machine.instance_id,
        cpus=machine.cpus,
        memory_bytes=machine.memory_bytes,
        hourly_price=settings.hourly_price,
        currency=settings.currency if priced else None,
    )
