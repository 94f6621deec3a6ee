"""Every cluster of local machines that a state folder owns, as the Docker engine knows them."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from infra import docker_engine
from infra.local_network import CLUSTER, DOOR, OWNER


@dataclass(frozen=True, order=True)
class Cluster:
    """A cluster, the door through which it was made, and its state folder."""

    name: str
    door: str
    state: Path

    @property
    def removal(self) -> str:
        """The command that removes it, as one types it."""
        stack = "demo" if self.name == "demo" else "local"
        command = {
            "fab": f"fab local.down --name {self.name}",
            "pulumi": f"pulumi destroy --stack {stack}",
        }
        return f"TANDEM_STATE={shlex.quote(str(self.state))} {command[self.door]}"


def of_state(state: Path) -> list[Cluster]:
    """Return the clusters of a state folder and of those below it; none without an engine."""
    if not docker_engine.answers():
        return []
    filters = {"label": CLUSTER}
    with docker_engine.connect() as client:
        containers = client.containers.list(all=True, filters=filters, ignore_removed=True)
        networks = client.networks.list(filters=filters)
    labels = [
        *(one.attrs["Config"]["Labels"] for one in containers),
        *(one.attrs["Labels"] for one in networks),
    ]
    found = {
        Cluster(one[CLUSTER], one.get(DOOR, "fab"), Path(one.get(OWNER, ""))) for one in labels
    }
    return sorted(one for one in found if one.state.is_relative_to(state))
