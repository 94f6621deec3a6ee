"""The bucket of a cluster of local machines: made, woken, and named in the inventory."""

import dataclasses
from pathlib import Path

from contracts import inventory as inventories
from contracts import machine_files
from contracts.errors import UsageError
from contracts.progress import Tell, tell_nobody
from infra import docker_engine, local_store, versitygw
from infra import local_containers as containers
from infra.local_nodes import one_at_a_time
from infra.local_observed import observe
from infra.local_plan import check_owner


def add(cluster_id: str, state: Path, tell: Tell = tell_nobody) -> tuple[str, bool]:
    """Give local machines a bucket on an S3 server of their own, and write the inventory.

    Returns
    -------
    tuple
        The bucket's name, and whether anything was made or started; a second call changes
        nothing.

    Raises
    ------
    UsageError
        If there are no machines.
    RefusedError
        If they belong to the other door or another state folder.
    """
    with one_at_a_time(state):
        with docker_engine.connect() as client:
            found = observe(client, cluster_id)
        check_owner(cluster_id, found, door="fab", owner=str(state))
        path, known = machine_files.store(state, cluster_id), state / "inventory.json"
        if not (found.machines and found.network and known.exists()):
            raise UsageError(
                f"Cluster {cluster_id} has no machines that could use a bucket.",
                next_step=f"fab local.up --name {cluster_id}, then fab local.bucket",
            )
        name, changed = local_store.name_of(cluster_id), True
        program = versitygw.ensure(state, tell)
        with docker_engine.connect() as client:
            if found.store and found.store.state != "created" and path.exists():
                changed = local_store.wake(client, found.store, path)
            else:
                if found.store:
                    containers.remove_machine(client, found.store.instance_id)
                local_store.make(
                    client,
                    cluster_id=cluster_id,
                    state=state,
                    network=found.network,
                    image=found.machines[0].image,
                    program=program,
                    tell=tell,
                )
        before = inventories.load(known)
        after = dataclasses.replace(before, bucket=name, bucket_region=local_store.REGION)
        if after != before:
            changed = True
            after = dataclasses.replace(after, generation=before.generation + 1)
            inventories.dump(after, known)
    return name, changed
