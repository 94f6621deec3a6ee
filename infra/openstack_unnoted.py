"""What an `up` made that was killed before Pulumi noted it: removed before the next makes it.

Rules of a group, subnets, interfaces of routers and credentials exist once, and making them
again is refused. Machines are taken over, and keys and containers may be there twice.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from openstack import exceptions

from infra.openstack_sweep import delete_credential, is_named, marked

SECONDS = 60.0


@dataclass(frozen=True)
class Interrupted:
    """What Pulumi knows of a stack whose last operation was killed: its mark, and every id."""

    mark: str
    known: frozenset[str]


def interrupted(stack: str) -> Interrupted | None:
    """Return what Pulumi knows of a stack, or None if nothing of it was left under way."""
    command = ["pulumi", "--non-interactive", "stack", "export", "--stack", stack]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS
        )
        deployment = json.loads(done.stdout)["deployment"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    resources = deployment.get("resources") or []
    marks = [one["id"] for one in resources if one["urn"].endswith("::swept")]
    if not marks or not deployment.get("pending_operations"):
        return None
    return Interrupted(marks[0], frozenset(one["id"] for one in resources if one.get("id")))


def remove(link: Any, before: Interrupted) -> None:
    """Remove what has the mark, or lies in what has it, and is not known."""
    network, mark = link.network, before.mark

    def unknown(things: Iterable[Any]) -> list[Any]:
        return [one for one in things if one.id not in before.known]

    for group in marked(link, "security_groups", mark):
        for rule in unknown(network.security_group_rules(security_group_id=group.id)):
            network.delete_security_group_rule(rule, ignore_missing=True)
    for address in unknown(marked(link, "ips", mark)):
        network.delete_ip(address, ignore_missing=True)
    for port in unknown(marked(link, "ports", mark)):
        if not port.device_id:
            network.delete_port(port, ignore_missing=True)
    routers = marked(link, "routers", mark)
    for router in routers:
        for port in unknown(network.ports(device_id=router.id)):
            if port.device_owner.startswith("network:router_interface"):
                network.remove_interface_from_router(router, port=port.id)
    for router in unknown(routers):
        network.delete_router(router, ignore_missing=True)
    networks = marked(link, "networks", mark)
    for one in networks:
        for subnet in unknown(network.subnets(network_id=one.id)):
            network.delete_subnet(subnet, ignore_missing=True)
    # These may be there twice, and go with all the rest at the latest.
    with contextlib.suppress(exceptions.ConflictException):
        for one in unknown(networks):
            network.delete_network(one, ignore_missing=True)
        for one in unknown(marked(link, "security_groups", mark)):
            network.delete_security_group(one, ignore_missing=True)
    for one in unknown(link.identity.application_credentials(link.current_user_id)):
        if is_named(one, mark):
            delete_credential(link, one)
