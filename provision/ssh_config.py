"""A configuration for OpenSSH that reaches every node by name, with the keys pinned."""

from pathlib import Path

from contracts.errors import UsageError
from contracts.files import write_atomically
from contracts.inventory import Inventory, Node

NAME = "ssh_config"
KNOWN_HOSTS = "known_hosts"


def write(inventory: Inventory, state: Path) -> Path:
    """Write `ssh_config` and `known_hosts` into the state folder; return the first.

    `Include` it from ~/.ssh/config to use plain ssh, scp or an editor with the nodes.
    """
    known = state / KNOWN_HOSTS
    write_atomically(known, "".join(f"{_known_host(node)}\n" for node in inventory.nodes))
    blocks = [_block(inventory, node, known) for node in inventory.nodes]
    path = state / NAME
    write_atomically(path, "\n".join(blocks), mode=0o600)
    return path


def alias(inventory: Inventory, node: Node) -> str:
    """Return the name by which ssh knows a node; it names the cluster, too."""
    return f"{inventory.cluster_id}-{node.name}"


def _known_host(node: Node) -> str:
    return f"[{node.ssh_host}]:{node.ssh_port} {node.host_key}"


def _block(inventory: Inventory, node: Node, known: Path) -> str:
    key = Path(inventory.ssh_key_path).expanduser().absolute()
    lines = [
        f"Host {alias(inventory, node)}",
        f"  HostName {node.ssh_host}",
        f"  Port {node.ssh_port}",
        f"  User {inventory.ssh_user}",
        f"  IdentityFile {_quoted(key)}",
        "  IdentitiesOnly yes",
        f"  UserKnownHostsFile {_quoted(known)}",
        # A non-standard form of the name is looked up for every port, 22 included.
        f"  HostKeyAlias [{node.ssh_host}]:{node.ssh_port}",
        "  StrictHostKeyChecking yes",
        "  ServerAliveInterval 5",
    ]
    if node.jump is not None:
        lines.append(f"  ProxyJump {alias(inventory, inventory.node(node.jump))}")
    return "\n".join([*lines, ""])


def _quoted(path: Path) -> str:
    text = str(path)
    if '"' in text or "\n" in text:
        raise UsageError(
            f"OpenSSH cannot be told of the path {text!r}.",
            next_step="use a path without double quotes",
        )
    return '"' + text.replace("%", "%%") + '"'
