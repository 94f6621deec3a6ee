"""What can go wrong with a connection, in words that say what to do."""

import base64
import datetime
import hashlib
from pathlib import Path
from typing import NoReturn

import paramiko

from contracts.errors import (
    DeadlineError,
    PartialError,
    RefusedError,
    TandemError,
    UsageError,
)
from contracts.inventory import Inventory, Node
from provision.words import plain_text

# What makes a machine again that has gone, where infra made it.
_AGAIN = {
    "aws": "pulumi up --refresh",
    "openstack": "pulumi up --refresh",
    "local": "fab local.up or pulumi up",
}


class UnreachableError(TandemError, ConnectionError):
    """No SSH connection could be made to a node."""


class LoginError(TandemError):
    """A node does not accept the operator's key."""


class ConnectionLost(PartialError, ConnectionError):
    """A connection that worked broke; what was done is kept."""


def check_key_file(inventory: Inventory) -> None:
    """Raise UsageError if the inventory's key is missing or open to others."""
    path = Path(inventory.ssh_key_path).expanduser()
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UsageError(
            f"The SSH key {path} cannot be read: {error.strerror}.",
            next_step="set ssh_key_path in the inventory to the operator's private key",
        ) from error
    if path.stat().st_mode & 0o077:
        raise UsageError(
            f"The SSH key {path} can be read by others.", next_step=f"chmod 600 {path}"
        )


def explain(
    error: Exception,
    where: str,
    node: Node,
    inventory: Inventory,
    seconds: float,
    *,
    late: bool,
) -> NoReturn:
    """Raise what a failed attempt to connect means."""
    if isinstance(error, paramiko.BadHostKeyException):
        raise _wrong_host_key(
            where, node, inventory, _fingerprint(error.key.asbytes())
        ) from error
    if isinstance(error, paramiko.AuthenticationException):
        raise LoginError(
            f"Authentication refused for {where}.",
            cause="The node does not accept the key that the inventory names in ssh_key_path.",
            next_step="put the key's public half into authorized_keys there, or name another",
        ) from error
    if isinstance(error, paramiko.PasswordRequiredException | ValueError):
        raise UsageError(
            f"The SSH key for {where} cannot be used: {error}.",
            next_step="name a private key without a passphrase in ssh_key_path",
        ) from error
    words = plain_text(str(error)) or type(error).__name__
    if isinstance(error, TimeoutError) or (late and "known_hosts" not in words):
        raise DeadlineError(
            waited_for="an SSH connection",
            whom=where,
            seconds=seconds,
            last_state="no answer",
            next_step=next_step(inventory, datetime.datetime.now(datetime.UTC)),
        ) from error
    if isinstance(error, paramiko.SSHException) and "known_hosts" in words:
        raise _wrong_host_key(where, node, inventory, "a key of another type") from error
    raise UnreachableError(
        f"{where} cannot be reached over SSH.",
        cause=words,
        next_step=next_step(inventory, datetime.datetime.now(datetime.UTC)),
    ) from error


def next_step(inventory: Inventory, now: datetime.datetime) -> str:
    """Return what to do about a machine that does not answer, where its provider keeps it."""
    again = _AGAIN.get(inventory.provider)
    if again is None:
        return "check that the machine runs, and that its SSH port is open to this computer"
    if inventory.provider == "local":
        return f"{again} makes what is missing of the local machines"
    end = inventory.expires_at
    if end is not None and datetime.datetime.fromisoformat(end) <= now:
        return f"its time was over at {end}, and it ended itself; {again} makes another"
    ends = [f"at {end}"] if end else []
    if inventory.idle_minutes:
        ends.append(f"after {inventory.idle_minutes:g} minutes without work")
    limits = f", for it ends itself {' or '.join(ends)}" if ends else ""
    look = "fab cluster.allow, if this computer's address changed; fab cost.show tells"
    if inventory.provider == "openstack":
        name = inventory.cluster_id
        look = "fab doctor tells whether this computer's address changed, and "
        look += f"fab cost.audit --cluster {name}"
    return f"{look} whether the machine still runs{limits}; {again} makes another if not"


def _wrong_host_key(where: str, node: Node, inventory: Inventory, shown: str) -> RefusedError:
    again = _AGAIN.get(inventory.provider)
    pinned = _fingerprint(base64.b64decode(node.host_key.split(" ")[1]))
    return RefusedError(
        f"The host key of {where} is not the one in the inventory; nothing was sent there.",
        cause=f"The inventory pins {pinned}; the machine showed {shown}. Either the machine "
        "was made anew, or another machine answers in its place.",
        next_step=f"if it was made anew, {again} writes the inventory again"
        if again
        else "if it was made anew, write its new key into the inventory, and raise generation",
    )


def _fingerprint(blob: bytes) -> str:
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"
