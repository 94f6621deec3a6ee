"""Clusters on the test bed's cloud as tests make them: as an ordinary member, not as admin."""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts import inventory as inventories
from contracts.inventory import Inventory
from cost.audit import Audit
from cost.openstack_audit import audit
from infra.openstack_calls import connect, in_our_words
from tests.command_line import ROOT, Answered, fab
from tests.doubles.openstack.places import REGION
from tests.doubles.pulumi_stack import PulumiStack
from tests.doubles.warm_python import WarmPython
from tests.integration.pulumi_project import PulumiProject

STACK = "ssc"
PLUGIN = "pulumi-resource-openstack"
# What a program and the plugins of a stack on OpenStack import.
MODULES = (
    "dill",
    "grpc",
    "infra.openstack_stack",
    "pulumi_openstack.compute",
    "pulumi_openstack.identity",
    "pulumi_openstack.networking",
    "pulumi_openstack.objectstorage",
    "tests.doubles.openstack.kinds_access",
    "tests.doubles.openstack.kinds_network",
)
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
    # What the project had before, of anybody's.
    before: frozenset[tuple[str, str]] = frozenset()

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
            "external-network": "Public External IPv4 Network",
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

    def left(self) -> list[tuple[str, str]]:
        """Return all that the project has since, marked or not: kind and id."""
        return sorted(everything(self.link) - self.before)

    def fab(
        self, verb: str, *arguments: str, timeout: float = 600, **environment: str
    ) -> Answered:
        """Run a verb as this cluster's operator."""
        variables = {**self.variables, **environment}
        return fab(verb, *arguments, state=self.state, timeout=timeout, **variables)


def everything(link: Any) -> frozenset[tuple[str, str]]:
    """Return all that a member's project holds, but what neutron makes by itself."""
    project, user = link.current_project_id, link.current_user_id
    found = {("server", one.id) for one in link.compute.servers()}
    found |= {("key pair", one.name) for one in link.compute.keypairs()}
    found |= {("container", one.name) for one in link.object_store.containers()}
    found |= {("credential", one.id) for one in link.identity.application_credentials(user)}
    found |= {("access rule", one.id) for one in link.identity.access_rules(user)}
    for kind in ("ips", "ports", "routers", "subnets", "networks", "security_groups"):
        there = getattr(link.network, kind)(project_id=project)
        found |= {(kind, one.id) for one in there if getattr(one, "name", "") != "default"}
    return frozenset(found)


def check_gone(cluster: OpenStackCluster, stack: Any) -> None:
    """Destroy a stack, and see that nothing is left in the project, marked or not."""
    gone = stack.destroy()
    assert gone.succeeded, gone.told()
    assert cluster.audit().clean
    assert cluster.left() == []


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 120.0) -> None:
    """Wait until a condition is true, and fail after so long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)


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
        yield OpenStackCluster(name, folder / "state", variables, link, before=everything(link))


@contextlib.contextmanager
def stack_of(
    cluster: OpenStackCluster, folder: Path, warm: WarmPython | None = None
) -> Iterator[PulumiStack]:
    """Give the stack of a cluster by the double of Pulumi's engine; destroyed at the end.

    `warm` starts its programs.
    """
    stack = PulumiStack(
        ROOT,
        "cloud",
        folder / "stack.json",
        settings=cluster.settings,
        providers=PROVIDERS,
        begin=warm or subprocess.Popen,
    )
    stack.use(cluster.variables)
    try:
        yield stack
    finally:
        stack.cancel()
        stack.destroy()


@contextlib.contextmanager
def real_stack_of(
    cluster: OpenStackCluster, folder: Path, name: str = STACK
) -> Iterator[PulumiProject]:
    """Give the stack as the real program and plugin drive it; destroyed at the end."""
    project = folder / f"{cluster.name}-project"
    project.mkdir()
    stack = PulumiProject(
        project,
        name,
        settings=cluster.settings,
        passphrase=cluster.variables["PULUMI_CONFIG_PASSPHRASE"],
    )
    plugins = str((_plugin() or folder).parent)
    path = os.pathsep.join((plugins, os.environ["PATH"]))
    stack.use({**cluster.variables, "PATH": path})
    try:
        yield stack
    finally:
        stack.cancel()
        stack.destroy()


def missing_programs() -> list[str]:
    """Return which of Pulumi's program and its plugin for OpenStack are not to be found."""
    return [
        *([] if shutil.which("pulumi") else ["pulumi"]),
        *([] if _plugin() else [PLUGIN]),
    ]


def _plugin() -> Path | None:
    """Return the plugin on PATH, or the newest that Pulumi itself has installed."""
    if found := shutil.which(PLUGIN):
        return Path(found)
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    there = home.glob(f"plugins/resource-openstack-v*/{PLUGIN}")
    return max(there, key=lambda one: one.stat().st_mtime, default=None)
