"""Removes what has a stack's mark: things that an `up` made which was killed at that moment."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from openstack import exceptions

from infra.openstack_frame import STACK
from infra.openstack_server import delete

MACHINES = ("server", "port", "address", "interface")
EVERYTHING = (
    *MACHINES,
    "volume",
    "router",
    "network",
    "group",
    "credential",
    "container",
    "key",
)
_OURS = "tandem-"
# A port goes a moment after its machine, and a network after its last port.
RELEASE_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
# States of a volume that no machine has and nobody removes.
_LEFT = ("available", "error", "error_deleting")


def sweep(link: Any, mark: str, kinds: Iterable[str], public: str | None = None) -> None:
    """Remove what has the mark, kind after kind; what has gone already is fine.

    Key pairs carry no mark: those with the public key `public` go.
    """
    give_up = time.monotonic() + RELEASE_SECONDS
    for kind in kinds:
        while True:
            try:
                if kind == "key":
                    _keys(link, public)
                else:
                    _SWEEPERS[kind](link, mark)
                break
            except exceptions.ConflictException:
                if time.monotonic() > give_up:
                    raise
                time.sleep(_AGAIN_SECONDS)


def _servers(link: Any, mark: str) -> None:
    for one in link.compute.servers():
        if (one.metadata or {}).get(STACK) == mark:
            delete(link, one.id)


def _volumes(link: Any, mark: str) -> None:
    """Remove volumes that machines left; nova removes those that are in any other state."""
    if not link.has_service("block-storage"):
        return
    for one in link.block_storage.volumes():
        if (one.metadata or {}).get(STACK) == mark and one.status in _LEFT:
            # A snapshot of somebody's may hold it.
            with contextlib.suppress(exceptions.BadRequestException):
                link.block_storage.delete_volume(one.id, ignore_missing=True)


def _of_neutron(one: str) -> Callable[[Any, str], None]:
    """Return what removes the things that the SDK's network proxy calls `one`."""

    def remove(link: Any, mark: str) -> None:
        for found in marked(link, f"{one}s", mark):
            getattr(link.network, f"delete_{one}")(found, ignore_missing=True)

    return remove


def marked(link: Any, plural: str, mark: str) -> list[Any]:
    """Return things of neutron with the mark in a tag, or in a name that never got its tags."""
    there = getattr(link.network, plural)(project_id=link.current_project_id)
    return [
        one for one in there if f"{STACK}={mark}" in (one.tags or ()) or is_named(one, mark)
    ]


def is_named(one: Any, mark: str) -> bool:
    """Say whether a thing's name is one of ours with the mark."""
    # The name of an address is itself; it says the same in its description.
    said = (getattr(one, "name", None) or "", getattr(one, "description", None) or "")
    return any(words.startswith(_OURS) and words.endswith(f"-{mark}") for words in said)


def _interfaces(link: Any, mark: str) -> None:
    for router in marked(link, "routers", mark):
        for port in link.network.ports(device_id=router.id):
            if port.device_owner.startswith("network:router_interface"):
                with contextlib.suppress(exceptions.NotFoundException):
                    link.network.remove_interface_from_router(router, port=port.id)


def _credentials(link: Any, mark: str) -> None:
    for one in link.identity.application_credentials(link.current_user_id):
        if is_named(one, mark):
            delete_credential(link, one)


def delete_credential(link: Any, one: Any) -> None:
    """Delete an application credential, and its access rules, which would stay without it."""
    user = link.current_user_id
    link.identity.delete_application_credential(user, one, ignore_missing=True)
    for rule in one.access_rules or ():
        # The same rule of another credential is the same one, and kept as that is.
        with contextlib.suppress(exceptions.ForbiddenException, exceptions.ConflictException):
            link.identity.delete_access_rule(user, rule["id"], ignore_missing=True)


def _containers(link: Any, mark: str) -> None:
    """Remove a container that Pulumi does not know of; one that holds objects stays."""
    if not link.has_service("object-store"):
        return
    for one in link.object_store.containers():
        if is_named(one, mark):
            with contextlib.suppress(exceptions.ConflictException):
                link.object_store.delete_container(one.name, ignore_missing=True)


def _keys(link: Any, public: str | None) -> None:
    for one in link.compute.keypairs():
        same = public is not None and (one.public_key or "").split()[:2] == public.split()[:2]
        if same and one.name.startswith(_OURS):
            link.compute.delete_keypair(one.name, ignore_missing=True)


_SWEEPERS: Mapping[str, Callable[[Any, str], None]] = {
    "server": _servers,
    "volume": _volumes,
    "port": _of_neutron("port"),
    "address": _of_neutron("ip"),
    "interface": _interfaces,
    "router": _of_neutron("router"),
    "network": _of_neutron("network"),
    "group": _of_neutron("security_group"),
    "credential": _credentials,
    "container": _containers,
}
