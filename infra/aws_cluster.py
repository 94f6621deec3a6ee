"""A cluster on EC2 as one component of Pulumi."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from contracts import machine_files
from contracts.inventory import SCHEMA
from infra import aws_nodes
from infra.aws_frame import Frame
from infra.aws_identity import declare_identity
from infra.aws_network import declare_network
from infra.aws_nodes import AwsGround, AwsNode
from infra.aws_security import declare_security
from infra.aws_settings import AwsSettings
from infra.aws_storage import declare_storage
from infra.aws_strays import NoStrays
from infra.inventory_file import InventoryFile, as_text
from infra.lifetime import Lifetime
from infra.operator_key import OperatorKey

PROVIDER = "aws"


class AwsCluster(pulumi.ComponentResource):
    """Machines on EC2, with the network, the rights and the bucket that they need.

    `inventory` is the document of contracts.inventory, which is also written into the state
    folder; `operator_cidrs` are the networks from which SSH is open.
    """

    inventory: pulumi.Output[dict[str, Any]]
    bucket: pulumi.Output[str]
    security_group_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: AwsSettings,
        operator_cidrs: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tandem:aws:Cluster", name, {}, opts)
        under = pulumi.ResourceOptions(parent=self)
        lifetime = Lifetime("lifetime", settings.ttl_hours, under)
        frame = Frame(settings, lifetime.expires_at, self)
        key_path = machine_files.operator_key(settings.state, settings.cluster_id)
        operator = OperatorKey("operator-key", key_path, under)
        key = aws.ec2.KeyPair(
            "key",
            key_name_prefix=frame.prefix,
            public_key=operator.public,
            tags=frame.tags("key"),
            opts=frame.options(),
        )
        network = declare_network(frame)
        security = declare_security(frame, network, operator_cidrs)
        storage = declare_storage(frame)
        identity = declare_identity(frame, storage)
        ground = AwsGround(network, security, identity, storage, key.key_name)
        nodes = aws_nodes.declare_nodes(frame, ground)
        ids = [node.instance_id for node in nodes]
        NoStrays("no-strays", settings, key.key_name, ids, under)
        written = InventoryFile(
            "inventory",
            state=settings.state,
            provider=PROVIDER,
            cluster_id=settings.cluster_id,
            document=_document(frame, lifetime, ground, key_path, nodes),
            opts=under,
        )
        self.inventory = written.inventory
        self.bucket = pulumi.Output.from_input(storage.name)
        self.security_group_id = security.group_id
        self.register_outputs(
            {
                "inventory": self.inventory,
                "bucket": self.bucket,
                "security_group_id": self.security_group_id,
            }
        )


def _document(
    frame: Frame,
    lifetime: Lifetime,
    ground: AwsGround,
    key_path: Path,
    nodes: Sequence[AwsNode],
) -> pulumi.Output[str]:
    settings = frame.settings
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "cluster_id": settings.cluster_id,
        "generation": 1,
        "provider": PROVIDER,
        "region": settings.region,
        "created_at": lifetime.created_at,
        "expires_at": lifetime.expires_at,
        "ttl_hours": settings.ttl_hours,
        "idle_minutes": settings.idle_minutes,
        "budget": settings.budget,
        "bucket": ground.storage.name,
        "security_group_id": ground.security.group_id,
        "ssh_user": settings.ssh_user,
        "ssh_key_path": str(key_path),
        "nodes": [aws_nodes.document(frame, node) for node in nodes],
    }
    return pulumi.Output.from_input(document).apply(as_text)
