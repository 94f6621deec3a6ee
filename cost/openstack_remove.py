"""Remove what an audit found in a project on OpenStack, each kind after those that hold on."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from openstack import exceptions

from contracts.errors import TandemError
from contracts.progress import Tell, step, tell_nobody
from cost.found import Found
from cost.openstack_audit import InOurWords
from cost.openstack_found import KINDS

# A port goes a moment after its machine, and a network after its last port.
RELEASE_SECONDS = 60.0
GONE_SECONDS = 300.0
_AGAIN_SECONDS = 1.0
_HELD, _MISSING = 409, 404


def remove(
    links: Mapping[str, Any],
    found: Sequence[Found],
    in_our_words: InOurWords,
    tell: Tell = tell_nobody,
) -> dict[Found, str]:
    """Remove things in the right order; return those that would not go, with the reason.

    What is gone already counts as removed.
    """
    refused: dict[Found, str] = {}
    for kind in KINDS:
        things = [one for one in found if one.kind == kind]
        if not things:
            continue
        with step(tell, "account", f"remove {kind} ({len(things)})"):
            for one in things:
                why = _outcome(links[one.region], one, in_our_words)
                if why is not None:
                    refused[one] = why
            if kind == "server":
                there = [one for one in things if one not in refused]
                refused |= _await_gone(links, there, in_our_words)
    return refused


def _outcome(link: Any, one: Found, in_our_words: InOurWords) -> str | None:
    give_up = time.monotonic() + RELEASE_SECONDS
    while True:
        try:
            with in_our_words(f"remove {one.kind} {one.id}"):
                _REMOVERS[one.kind](link, one)
            return None
        except TandemError as error:
            code = getattr(error.__cause__, "status_code", 0)
            if code == _MISSING:
                return None
            if code != _HELD or time.monotonic() > give_up:
                return error.cause or error.problem
            time.sleep(_AGAIN_SECONDS)


def _await_gone(
    links: Mapping[str, Any], servers: Sequence[Found], in_our_words: InOurWords
) -> dict[Found, str]:
    """Wait until machines have let go of what they held; a look that fails is no answer."""
    left, give_up = list(servers), time.monotonic() + GONE_SECONDS
    while left and time.monotonic() < give_up:
        with contextlib.suppress(TandemError), in_our_words("see which machines are there"):
            there = {
                each.id for region in {one.region for one in left}
                for each in links[region].compute.servers()
            }  # fmt: skip
            left = [one for one in left if one.id in there]
        if left:
            time.sleep(_AGAIN_SECONDS)
    return {one: f"it was still there after {GONE_SECONDS:.0f} s" for one in left}


def _router(link: Any, one: Found) -> None:
    """Remove a router; its interfaces hold on to the networks."""
    for port in link.network.ports(device_id=one.id):
        if port.device_owner.startswith("network:router_interface"):
            link.network.remove_interface_from_router(one.id, port=port.id)
    link.network.delete_router(one.id, ignore_missing=False)


def _credential(link: Any, one: Found) -> None:
    """Remove a credential and its access rules, which would stay without it."""
    user = link.current_user_id
    rules = link.identity.get_application_credential(user, one.id).access_rules
    link.identity.delete_application_credential(user, one.id, ignore_missing=False)
    for rule in rules or ():
        # The same rule of another credential is the same one, and kept as that is.
        with contextlib.suppress(exceptions.ForbiddenException, exceptions.ConflictException):
            link.identity.delete_access_rule(user, rule["id"], ignore_missing=True)


def _container(link: Any, one: Found) -> None:
    """Remove a container with every object in it."""
    for each in link.object_store.objects(one.id):
        link.object_store.delete_object(each, container=one.id, ignore_missing=True)
    link.object_store.delete_container(one.id, ignore_missing=False)


_REMOVERS: Mapping[str, Callable[[Any, Found], Any]] = {
    "server": lambda link, one: link.compute.delete_server(one.id, ignore_missing=False),
    "volume": lambda link, one: link.block_storage.delete_volume(one.id, ignore_missing=False),
    "address": lambda link, one: link.network.delete_ip(one.id, ignore_missing=False),
    "port": lambda link, one: link.network.delete_port(one.id, ignore_missing=False),
    "router": _router,
    "network": lambda link, one: link.network.delete_network(one.id, ignore_missing=False),
    "security group": lambda link, one: link.network.delete_security_group(
        one.id, ignore_missing=False
    ),
    "key pair": lambda link, one: link.compute.delete_keypair(one.id, ignore_missing=False),
    "container": _container,
    "credential": _credential,
}
