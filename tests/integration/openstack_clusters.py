"""Clusters on the test bed's cloud as tests make them: as an ordinary member, not as admin."""

import contextlib
import itertools
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts import inventory as inventories
from contracts.inventory import Inventory
from cost.audit import Audit
from cost.openstack_audit import audit
from infra.openstack_calls import connect, in_our_words
from tests.command_line import ROOT
from tests.doubles.openstack.places import REGION
from tests.doubles.pulumi_stack import PulumiStack

# The double of the provider; resources of our own run as they do under the real engine.
PROVIDERS = {"openstack": (sys.executable, "-m", "tests.doubles.openstack.plugin")}
_NUMBERS = itertools.count(os.getpid() % 200)


@dataclass
class OpenStackCluster:
    """A cluster's name, its operator's state folder, and the member's way to the cloud."""

    name: str
    state: Path
    variables: Mapping[str, str]
    link: Any
    number: int = field(default_factory=lambda: next(_NUMBERS) % 250)

    @property
    def settings(self) -> dict[str, object]:
        """The configuration of a small cluster."""
        return {
            "provider": "openstack",
            "name": self.name,
            "owner": "tests",
            "nodes": 2,
            "head-flavor": "ssc.small",
            "worker-flavors": "ssc.tiny",
            "external-network": "Northern Europe External",
            "operator-cidrs": "198.51.100.7/32",
            "network": f"10.210.{self.number}.0/24",
            "coins": "ssc.small=1, ssc.tiny=0.5",
        }

    def inventory(self) -> Inventory:
        """Return what the stack wrote for the next stage."""
        return inventories.load(self.state / "inventory.json")

    def servers(self) -> dict[str, Any]:
        """Return the cluster's machines by the names of their nodes, as nova has them."""
        return {
            one.metadata["tandem:node"]: one
            for one in self.link.compute.servers()
            if one.metadata.get("tandem:cluster") == self.name
        }

    def audit(self) -> Audit:
        """Return what is left of the cluster."""
        return audit({REGION: self.link}, self.name, in_our_words)


@contextlib.contextmanager
def new_cluster(folder: Path, clouds: Path) -> Iterator[OpenStackCluster]:
    """Give a cluster of its own in the member's project for the block."""
    variables = {
        "OS_CLIENT_CONFIG_FILE": str(clouds),
        "OS_CLOUD": "member",
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase of tests",
        "TANDEM_STATE": str(folder / "state"),
    }
    with contextlib.closing(connect("member", REGION)) as link:
        name = f"t{os.getpid()}-{next(_NUMBERS)}"
        yield OpenStackCluster(name, folder / "state", variables, link)


@contextlib.contextmanager
def stack_of(cluster: OpenStackCluster, folder: Path) -> Iterator[PulumiStack]:
    """Give the stack of a cluster by the double of Pulumi's engine; destroyed at the end."""
    stack = PulumiStack(
        ROOT,
        "cloud",
        folder / "stack.json",
        settings=cluster.settings,
        providers=PROVIDERS,
    )
    stack.use(cluster.variables)
    try:
        yield stack
    finally:
        stack.cancel()
        stack.destroy()
