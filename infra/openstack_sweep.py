"""Removes what has a stack's mark: things that an `up` made which was killed at that moment."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from openstack import exceptions

from infra.openstack_frame import STACK
from infra.openstack_server import delete

MACHINES = ("server", "port", "address", "interface")
EVERYTHING = (*MACHINES, "router", "network", "group", "credential")
# A port goes a moment after its machine, and a network after its last port.
RELEASE_SECONDS = 60.0
_AGAIN_SECONDS = 1.0


def sweep(link: Any, mark: str, kinds: Iterable[str]) -> None:
    """Remove what has the mark, kind after kind; what has gone already is fine."""
    give_up = time.monotonic() + RELEASE_SECONDS
    for kind in kinds:
        while True:
            try:
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


def _of_neutron(one: str) -> Callable[[Any, str], None]:
    """Return what removes the things that the SDK's network proxy calls `one`, by their tag."""

    def remove(link: Any, mark: str) -> None:
        for found in getattr(link.network, f"{one}s")(tags=_tag(mark)):
            getattr(link.network, f"delete_{one}")(found, ignore_missing=True)

    return remove


def _interfaces(link: Any, mark: str) -> None:
    for router in link.network.routers(tags=_tag(mark)):
        for port in link.network.ports(device_id=router.id):
            if port.device_owner.startswith("network:router_interface"):
                with contextlib.suppress(exceptions.NotFoundException):
                    link.network.remove_interface_from_router(router, port=port.id)


def _credentials(link: Any, mark: str) -> None:
    user = link.current_user_id
    for one in link.identity.application_credentials(user):
        if one.name.startswith("tandem-") and one.name.endswith(f"-{mark}"):
            link.identity.delete_application_credential(user, one, ignore_missing=True)


def _tag(mark: str) -> str:
    return f"{STACK}={mark}"


_SWEEPERS: Mapping[str, Callable[[Any, str], None]] = {
    "server": _servers,
    "port": _of_neutron("port"),
    "address": _of_neutron("ip"),
    "interface": _interfaces,
    "router": _of_neutron("router"),
    "network": _of_neutron("network"),
    "group": _of_neutron("security_group"),
    "credential": _credentials,
}
