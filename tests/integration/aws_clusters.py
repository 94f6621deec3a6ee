"""Clusters on EC2 as tests make them: the project's own program, an account of the double."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from contracts import inventory as inventories
from contracts.inventory import Inventory
from tests.command_line import ROOT, Answered, fab
from tests.doubles.aws import install
from tests.doubles.aws.account import REGION, Account
from tests.doubles.aws.machine_labels import INSTANCE
from tests.doubles.aws.moto_cloud import BAKED
from tests.doubles.pulumi_stack import PulumiStack
from tests.doubles.warm_python import WarmPython
from tests.inside import run_inside
from tests.integration.pulumi_project import PulumiProject

_NUMBERS = itertools.count(1)
_PASSPHRASE = "a passphrase of tests"
# What a program and the plugins of a stack on AWS import.
MODULES = (
    "dill",
    "grpc",
    "infra.aws_stack",
    "pulumi_aws.ec2",
    "pulumi_aws.iam",
    "pulumi_aws.s3",
    "pulumi_aws.vpc",
    "tests.doubles.aws.kind",
    "tests.doubles.aws.lookups",
    "tests.doubles.aws.warm_models",
)


@dataclass(frozen=True)
class AwsCluster:
    """A cluster's name, its operator's state folder, its network, and the account it is in."""

    name: str
    state: Path
    network: str
    account: Account

    @property
    def operator_address(self) -> str:
        """The operator as machines see it: the gateway of their network is this computer."""
        return self.network.replace(".0/24", ".1")

    @property
    def settings(self) -> dict[str, object]:
        """The configuration of a small cluster."""
        return {
            "provider": "aws",
            "aws:region": REGION,
            "name": self.name,
            "nodes": 1,
            "head-type": "t3.medium",
            "worker-types": "t3.medium",
            "operator-cidrs": f"{self.operator_address}/32",
            "network": self.network,
            "image": BAKED,
            "owner": "tests",
            "purge-bucket": "true",
        }

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to act as this cluster's operator."""
        return {**self.account.environment, "TANDEM_STATE": str(self.state)}

    def fab(self, verb: str, *arguments: str, timeout: float = 600) -> Answered:
        """Run a verb as this cluster's operator."""
        environment = self.account.environment
        return fab(verb, *arguments, state=self.state, timeout=timeout, **environment)

    def inventory(self) -> Inventory:
        """Return the inventory that `up` wrote."""
        return inventories.load(self.state / "inventory.json")

    def instances(self, *states: str) -> list[dict[str, Any]]:
        """Return moto's own description of the instances in these states, by default alive."""
        wanted = states or ("pending", "running", "stopping", "stopped")
        filters = [
            {"Name": "tag:tandem:cluster", "Values": [self.name]},
            {"Name": "instance-state-name", "Values": list(wanted)},
        ]
        found = self.account.client("ec2").describe_instances(Filters=filters)["Reservations"]
        return [one for reservation in found for one in reservation["Instances"]]

    def left(self) -> list[str]:
        """Return all that the account holds for this cluster, by its tag or its name."""
        ec2, iam = self.account.client("ec2"), self.account.client("iam")
        tagged = [{"Name": "tag:tandem:cluster", "Values": [self.name]}]
        found = [one["InstanceId"] for one in self.instances()]
        # describe_tags of moto knows the tags of what is gone, too.
        for call, part, key in _BY_TAG:
            found += [one[key] for one in getattr(ec2, call)(Filters=tagged)[part]]
        prefix = f"tandem-{self.name}-"
        profiles = iam.list_instance_profiles()["InstanceProfiles"]
        names = [
            *(one["Name"] for one in self.account.client("s3").list_buckets()["Buckets"]),
            *(one["RoleName"] for one in iam.list_roles()["Roles"]),
            *(one["InstanceProfileName"] for one in profiles),
        ]
        return sorted([*found, *(one for one in names if one.startswith(prefix))])


_BY_TAG = (
    ("describe_volumes", "Volumes", "VolumeId"),
    ("describe_addresses", "Addresses", "AllocationId"),
    ("describe_vpcs", "Vpcs", "VpcId"),
    ("describe_subnets", "Subnets", "SubnetId"),
    ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("describe_route_tables", "RouteTables", "RouteTableId"),
    ("describe_security_groups", "SecurityGroups", "GroupId"),
    ("describe_key_pairs", "KeyPairs", "KeyPairId"),
)


def container_of(client: docker.DockerClient, instance: str) -> Any:
    """Return the container behind an instance."""
    (found,) = client.containers.list(filters={"label": f"{INSTANCE}={instance}"})
    return found


def inside(container: Any, code: str, *arguments: str, user: str = "ubuntu") -> tuple[int, str]:
    """Run Python in a container; return exit code and output."""
    command = ("python3", "-c", code, *arguments)
    done = run_inside(container, *command, user=user, HOME=f"/home/{user}")
    return done.exit_code, done.output.strip()


def new_cluster(folder: Path, account: Account) -> AwsCluster:
    """Return a cluster whose name and network no other test has."""
    number = next(_NUMBERS)
    network = f"10.{200 + os.getpid() % 50}.{number}.0/24"
    return AwsCluster(f"t{os.getpid()}-{number}", folder / f"state-{number}", network, account)


def double_of(cluster: AwsCluster, folder: Path, warm: WarmPython | None = None) -> PulumiStack:
    """Return the stack as the double of the engine drives it; `warm` starts its programs."""
    stack = PulumiStack(
        ROOT,
        "test",
        folder / f"{cluster.name}.json",
        settings=cluster.settings,
        providers={"aws": install.COMMAND},
        begin=warm or subprocess.Popen,
    )
    stack.use({**cluster.environment, "PULUMI_CONFIG_PASSPHRASE": _PASSPHRASE})
    return stack


def real_of(cluster: AwsCluster, folder: Path, *, plugin: bool = True) -> PulumiProject:
    """Return the stack as the program itself drives it; `plugin` puts the double first."""
    project = folder / f"{cluster.name}-project"
    project.mkdir()
    stack = PulumiProject(project, "aws", settings=cluster.settings, passphrase=_PASSPHRASE)
    stack.use(cluster.environment)
    if plugin:
        stack.use({"PATH": install.on_path(folder / "plugins")})
    return stack


def has_pulumi() -> bool:
    """Return whether the program is there."""
    return shutil.which("pulumi") is not None


@contextmanager
def destroyed_at_the_end(stack: Any) -> Iterator[Any]:
    """Give a stack, and destroy it at the end, whatever happened and whatever lock is left."""
    try:
        yield stack
    finally:
        stack.cancel()
        stack.destroy()
