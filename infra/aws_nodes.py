"""The machines of a cluster on EC2: what each is started with, and what is known of it then."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from contracts import aws_prices, ports
from contracts.aws_catalogue import InstanceType
from contracts.limits import Limits
from infra import aws_rules, cloud_init, ubuntu
from infra.aws_fallback import SpotOrOnDemand
from infra.aws_frame import Frame
from infra.aws_identity import AwsIdentity
from infra.aws_network import AwsNetwork
from infra.aws_security import AwsSecurity
from infra.aws_settings import AwsMachine
from infra.aws_storage import AwsStorage
from infra.aws_strays import NoneLeft
from infra.host_key import HostKey

_EC2_NAMES = {"x86_64": "x86_64", "aarch64": "arm64"}
# Long enough for AWS to say why not, and short enough for a person to wait.
_MINUTES = pulumi.CustomTimeouts(create="10m", delete="10m")


@dataclass(frozen=True)
class AwsGround:
    """What is there before the machines: network, group, rights, bucket, operator's key."""

    network: AwsNetwork
    security: AwsSecurity
    identity: AwsIdentity
    storage: AwsStorage
    key_name: pulumi.Output[str]

    @property
    def first(self) -> list[pulumi.Resource]:
        """What must be there before a machine boots, and must stay until it has gone."""
        return [
            *self.network.way_out,
            *self.security.rules,
            *self.identity.rights,
            *self.storage.guards,
        ]


@dataclass(frozen=True)
class AwsNode:
    """One machine as declared; `kind` is from the bundled table, or from AWS."""

    machine: AwsMachine
    kind: InstanceType
    host_key: pulumi.Output[str]
    instance_id: pulumi.Output[str]
    private_ip: pulumi.Output[str]
    public_ip: pulumi.Output[str]
    market: pulumi.Input[str]


def declare_nodes(frame: Frame, ground: AwsGround) -> list[AwsNode]:
    """Declare every machine, the head first."""
    kinds = _kinds(frame)
    for kind in kinds.values():
        if kind.cpus > ports.MOST_SLOTS:
            raise pulumi.RunError(aws_rules.too_many_cpus(kind))
    architectures = {kind.architecture for kind in kinds.values()}
    if len(architectures) > 1:
        raise pulumi.RunError(
            "All machines must have one architecture: "
            + ", ".join(f"{name} is {kind.architecture}" for name, kind in kinds.items())
        )
    image = frame.settings.image or _newest_ubuntu(frame, architectures.pop())
    after = frame.options(depends_on=ground.first)
    none_left = NoneLeft("none-left", frame.settings, ground.key_name, after)
    needs = [*ground.first, none_left]
    return [
        _declare_node(frame, ground, needs, machine, kinds[machine.type_name], image)
        for machine in frame.settings.machines
    ]


def _declare_node(
    frame: Frame,
    ground: AwsGround,
    needs: Sequence[pulumi.Resource],
    machine: AwsMachine,
    kind: InstanceType,
    image: str,
) -> AwsNode:
    settings = frame.settings
    host_key = HostKey(f"{machine.name}-first-host-key", frame.options())
    limits = Limits(
        ttl_seconds=round(settings.ttl_hours * 3600),
        idle_seconds=round(settings.idle_minutes * 60),
    )
    pair = pulumi.Output.all(host_key.private, host_key.public)
    text: pulumi.Output[str] = pair.apply(
        lambda keys: cloud_init.user_data(*keys, limits=limits)
    )
    wanted: dict[str, Any] = {
        "ami": image,
        "instance_type": machine.type_name,
        "subnet_id": ground.network.subnet_id,
        "vpc_security_group_ids": [ground.security.group_id],
        "key_name": ground.key_name,
        "iam_instance_profile": ground.identity.profile_name,
        "user_data_base64": pulumi.Output.secret(text),
        "tags": frame.tags(machine.name, node=machine.name),
        "associate_public_ip_address": True,
        "instance_initiated_shutdown_behavior": "terminate",
        # Version 2 alone, and not from containers: a request that is passed on finds no role.
        "metadata_options": {
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": 1,
        },
        "root_block_device": {
            "volume_type": "gp3",
            "volume_size": settings.disk_gib,
            "encrypted": True,
            "delete_on_termination": True,
        },
    }
    if aws_rules.is_burstable(machine.type_name):
        # EC2's default is to sell more time at full speed than the price of the type says.
        wanted["credit_specification"] = {"cpu_credits": "standard"}
    market: pulumi.Input[str] = machine.market
    made: Any
    if machine.market == "spot" and settings.spot_fallback:
        options = frame.options(depends_on=needs, custom_timeouts=_MINUTES)
        made = SpotOrOnDemand(machine.name, settings, wanted, options)
        market = made.market
    else:
        # What is true of the first boot only must not end a machine later. A newer Ubuntu is
        # no reason either, unless the configuration names an image.
        kept = ["userDataBase64"] if settings.image else ["userDataBase64", "ami"]
        # EC2 stops no spot machine that was asked for once, and only what is stopped can
        # become another type.
        anew = ["instanceType"] if machine.market == "spot" else []
        options = frame.options(
            depends_on=needs,
            custom_timeouts=_MINUTES,
            ignore_changes=kept,
            replace_on_changes=anew,
        )
        made = _instance(frame, machine, wanted, options)
    return AwsNode(
        machine, kind, host_key.public, made.id, made.private_ip, made.public_ip, market
    )


def _instance(
    frame: Frame, machine: AwsMachine, wanted: dict[str, Any], options: pulumi.ResourceOptions
) -> aws.ec2.Instance:
    settings = frame.settings
    market: Any = None
    if machine.market == "spot":
        spot: dict[str, Any] = {
            "instance_interruption_behavior": "terminate",
            "spot_instance_type": "one-time",
        }
        if settings.spot_max_price is not None:
            spot["max_price"] = f"{settings.spot_max_price:.4f}"
        market = {"market_type": "spot", "spot_options": spot}
    # Our own resource gives the disk the tags of the machine when it buys it.
    disk = {**wanted["root_block_device"], "tags": wanted["tags"]}
    return aws.ec2.Instance(
        machine.name,
        **{**wanted, "root_block_device": disk},
        instance_market_options=market,
        opts=options,
    )


def _kinds(frame: Frame) -> dict[str, InstanceType]:
    return {
        machine.type_name: machine.kind or _ask_for_kind(frame, machine.type_name)
        for machine in frame.settings.machines
    }


def _ask_for_kind(frame: Frame, name: str) -> InstanceType:
    found = aws.ec2.get_instance_type(instance_type=name, opts=frame.invoke())
    arm = "arm64" in found.supported_architectures
    return InstanceType(
        name=name,
        cpus=found.default_vcpus,
        memory_bytes=found.memory_size * 1024**2,
        architecture="aarch64" if arm else "x86_64",
        gpus=sum(gpu.count for gpu in found.gpuses),
    )


def _newest_ubuntu(frame: Frame, architecture: str) -> str:
    name = ubuntu.NAME.format(ubuntu.ARCHITECTURES[architecture])
    found = aws.ec2.get_ami(
        most_recent=True,
        owners=[ubuntu.MAKER],
        filters=[
            {"name": "name", "values": [name]},
            {"name": "architecture", "values": [_EC2_NAMES[architecture]]},
            {"name": "state", "values": ["available"]},
        ],
        opts=frame.invoke(),
    )
    return str(found.id)


def document(frame: Frame, node: AwsNode) -> dict[str, Any]:
    """Return a node as an inventory has it; what is not known yet is None or an output."""
    name = node.machine.type_name
    prices = {
        "spot": aws_prices.spot(frame.settings.region, name),
        "on-demand": aws_prices.on_demand(frame.settings.region, name),
    }
    price = pulumi.Output.from_input(node.market).apply(prices.get)
    return {
        "name": node.machine.name,
        "role": node.machine.role,
        "private_ip": node.private_ip,
        "public_ip": node.public_ip,
        "ssh_host": node.public_ip,
        "ssh_port": 22,
        "host_key": node.host_key,
        "temporary_host_key": node.host_key,
        "instance_id": node.instance_id,
        "instance_type": name,
        "market": node.market,
        "cpus": node.kind.cpus,
        "memory_bytes": node.kind.memory_bytes,
        "gpus": node.kind.gpus,
        "hourly_price": price,
        "currency": None if prices["on-demand"] is None else aws_prices.CURRENCY,
    }
