"""What lets the head of a cluster on OpenStack delete its machines when their time is up.

A machine there costs as much asleep as awake, so shutting down is no end. The head is given an
application credential that may delete exactly these machines and do nothing else.
"""

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_openstack as openstack

from contracts import machine_files
from infra.openstack_frame import Frame
from infra.openstack_nodes import OpenStackNode
from infra.secret_file import SecretFile

# No machine has it; being told so proves that the credential works, and harms nothing.
NOBODY = "00000000-0000-0000-0000-000000000000"


def declare_ending(frame: Frame, nodes: Sequence[OpenStackNode]) -> None:
    """Declare the credential and the file in which provision finds it, unless machines stop."""
    settings, site = frame.settings, frame.choice.site
    if settings.ends != "delete":
        return
    # The head goes last: it is the one that deletes.
    servers = [node.instance_id for node in [*nodes[1:], nodes[0]]]
    rules: list[dict[str, pulumi.Input[str]]] = [
        {"service": "compute", "method": "DELETE", "path": _path(site.servers_path, server)}
        for server in [*servers, pulumi.Output.from_input(NOBODY)]
    ]
    credential = openstack.identity.ApplicationCredential(
        "ending",
        name=frame.marked_name("ending"),
        description="deletes the machines of one cluster and does nothing else",
        access_rules=rules,
        # A name is used once at a time, and other machines need another credential.
        opts=frame.options(delete_before_replace=True),
    )
    document: dict[str, Any] = {
        "auth_url": site.auth_url,
        "compute_url": site.compute_url,
        "id": credential.id,
        "secret": credential.secret,
        "servers": servers,
        "nobody": NOBODY,
    }
    SecretFile(
        "ending-file",
        machine_files.ending(settings.state, settings.cluster_id),
        pulumi.Output.from_input(document).apply(
            lambda found: json.dumps(found, sort_keys=True)
        ),
        frame.options(),
    )


def _path(prefix: str, server: pulumi.Output[str]) -> pulumi.Output[str]:
    return server.apply(lambda name: f"{prefix}/{name}")
