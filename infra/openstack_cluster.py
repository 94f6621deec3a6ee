"""A cluster on OpenStack as one component of Pulumi."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_openstack as openstack

from contracts import machine_files
from contracts.inventory import SCHEMA
from infra import openstack_nodes
from infra.inventory_file import InventoryFile, as_text
from infra.lifetime import Lifetime
from infra.openstack_choice import Choice
from infra.openstack_ending import declare_ending
from infra.openstack_frame import Frame
from infra.openstack_network import declare_network, declare_way_out
from infra.openstack_nodes import OpenStackGround, OpenStackNode
from infra.openstack_security import declare_security
from infra.openstack_settings import OpenStackSettings
from infra.openstack_storage import OpenStackStorage, declare_storage
from infra.openstack_strays import Sweep
from infra.openstack_sweep import EVERYTHING, MACHINES
from infra.operator_key import OperatorKey

PROVIDER = "openstack"


class OpenStackCluster(pulumi.ComponentResource):
    """Machines on OpenStack, with the network, the container and the rights that they need.

    `inventory` is the document of contracts.inventory, which is also written into the state
    folder; `operator_cidrs` are the networks from which SSH to the head is open.
    """

    inventory: pulumi.Output[dict[str, Any]]
    container: pulumi.Output[str | None]
    security_group_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: OpenStackSettings,
        choice: Choice,
        operator_cidrs: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tandem:openstack:Cluster", name, {}, opts)
        under = pulumi.ResourceOptions(parent=self)
        lifetime = Lifetime("lifetime", settings.ttl_hours, under)
        key_path = machine_files.operator_key(settings.state, settings.cluster_id)
        operator = OperatorKey("operator-key", key_path, under)
        swept = Sweep("swept", settings, EVERYTHING, under, public=operator.public)
        frame = Frame(settings, choice, swept.mark, lifetime.expires_at, self)
        # Its name is Pulumi's to choose: names of keys are unique, and one may be left over.
        key = openstack.compute.Keypair(
            frame.name("key"), public_key=operator.public, opts=frame.options()
        )
        network = declare_network(frame)
        security = declare_security(frame, operator_cidrs)
        storage = declare_storage(frame)
        joints = Sweep(
            "swept-interfaces",
            settings,
            ("interface",),
            frame.options(depends_on=network.parts),
            mark=swept.mark,
        )
        way_out = declare_way_out(frame, network, joints)
        last = Sweep(
            "swept-machines",
            settings,
            MACHINES,
            frame.options(depends_on=[*way_out, *security.rules]),
            mark=swept.mark,
        )
        ground = OpenStackGround(network, way_out, security, key.name, last)
        nodes = openstack_nodes.declare_nodes(frame, ground)
        declare_ending(frame, nodes)
        written = InventoryFile(
            "inventory",
            state=settings.state,
            provider=PROVIDER,
            cluster_id=settings.cluster_id,
            document=_document(frame, lifetime, ground, storage, key_path, nodes),
            opts=under,
        )
        self.inventory = written.inventory
        self.container = pulumi.Output.from_input(storage.container)
        self.security_group_id = security.group_id
        self.register_outputs(
            {
                "inventory": self.inventory,
                "container": self.container,
                "security_group_id": self.security_group_id,
            }
        )


def _document(
    frame: Frame,
    lifetime: Lifetime,
    ground: OpenStackGround,
    storage: OpenStackStorage,
    key_path: Path,
    nodes: Sequence[OpenStackNode],
) -> pulumi.Output[str]:
    settings = frame.settings
    head = nodes[0].machine.name
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "cluster_id": settings.cluster_id,
        "generation": 1,
        "provider": PROVIDER,
        "region": frame.choice.site.region,
        "created_at": lifetime.created_at,
        "expires_at": lifetime.expires_at,
        "ttl_hours": settings.ttl_hours,
        "idle_minutes": settings.idle_minutes,
        "budget": settings.budget,
        "bucket": storage.bucket,
        "bucket_region": None if storage.bucket is None else settings.s3_region,
        "security_group_id": ground.security.group_id,
        "ssh_user": settings.ssh_user,
        "ssh_key_path": str(key_path),
        "nodes": [openstack_nodes.document(frame, node, head) for node in nodes],
    }
    return pulumi.Output.from_input(document).apply(as_text)
