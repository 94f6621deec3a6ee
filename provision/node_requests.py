"""What each node is to have and is asked to do, worked out from a bring-up's context."""

import hashlib

from provision import credentials, identity, plan
from provision.bringup_context import Context
from provision.remote_program import source_digest

STOP_GRACE = 2.0


def wanted(context: Context, name: str) -> plan.Wanted:
    """Return what a node is to have; its secrets are made where they are missing."""
    node = context.request.inventory.node(name)
    monitor = f"{source_digest('monitor')}:{node.cpus:g}"
    engine = context.request.engine
    if engine is None:
        return plan.Wanted(None, "", monitor, {})
    own = credentials.Credentials(context.request.state, context.request.inventory)
    context.secrets[name] = own.for_node(engine, node)
    digests = {
        file: hashlib.sha256(secret.reveal().encode()).hexdigest()
        for file, secret in context.secrets[name].items()
    }
    spec = plan.spec_of(
        {
            **start_request(context, name),
            "lock": context.lock.fingerprint,
            "starter": source_digest(context.engine.START.module),
        },
        digests,
    )
    return plan.Wanted(engine, spec, monitor, digests)


def start_request(context: Context, name: str) -> dict[str, object]:
    """Return what the engine's starter on a node is told."""
    node = context.request.inventory.node(name)
    request: dict[str, object] = context.engine.start_request(
        node, context.head, context.places[name]
    )
    return request


def prepare_request(context: Context, name: str) -> dict[str, object]:
    """Return what the program that makes a node ready is told."""
    work, node = context.todo[name], context.request.inventory.node(name)
    takes_part = name in context.wanted
    monitor = (
        {"spec": context.wanted[name].monitor, "cpus": node.cpus} if work.monitor else None
    )
    return {
        "home": context.facts[name].home,
        "stop": list(work.stop),
        "grace": STOP_GRACE,
        "code": context.bundle.fingerprint if work.code else None,
        "owner": identity.owner_of(context.request.inventory, node) if takes_part else None,
        "monitor": monitor,
    }
