"""What `fab doctor` looks at for machines on OpenStack."""

import contextlib
import getpass
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from contracts import inventory as inventories
from contracts.errors import InvalidDocument, TandemError
from contracts.files import state_folder
from contracts.ports import SSH
from infra import (
    aws_access,
    openstack_checks,
    openstack_site,
    operator_address,
    pulumi_checks,
)
from infra.findings import Finding, guarded
from infra.openstack_calls import connect, in_our_words
from infra.openstack_choice import Choice
from infra.openstack_settings import OpenStackSettings, parse_openstack
from tasks import doctor_operator

PREFIX = "tandem:"


def settings_of(known: dict[str, str]) -> OpenStackSettings:
    """Return the settings that a stack's file holds, by names with their namespace."""
    given = {key.removeprefix(PREFIX): value for key, value in known.items() if PREFIX in key}
    return parse_openstack(
        {"name": "local", **given},
        cloud=known.get("openstack:cloud"),
        region=known.get("openstack:region"),
        state=state_folder(),
        user=getpass.getuser(),
    )


def look(stack: str, known: dict[str, str]) -> list[Finding]:
    """Return what was found; without a login nothing of the cloud is."""
    pulumi = partial(pulumi_checks.pulumi, state_folder(), cloud="openstack")
    found = guarded("pulumi", pulumi)
    try:
        settings = settings_of(known)
    except InvalidDocument as error:
        return [*found, Finding("configuration", "bad", error.problem, error.next_step or "")]
    words = f"{stack}: {len(settings.machines)} machines"
    found.append(Finding("configuration", "ok", words))
    found += guarded("key", partial(doctor_operator.key, settings.state, settings.cluster_id))
    try:
        with contextlib.closing(connect(settings.cloud, settings.region)) as link:
            found += _cloud(link, settings)
            found += guarded("address", partial(_address, link, settings))
    except TandemError as error:
        words = " ".join(filter(None, (error.problem, error.cause)))
        found.append(Finding("login", "bad", words, error.next_step or ""))
    return found


def _cloud(link: Any, settings: OpenStackSettings) -> list[Finding]:
    found = _asked("login", openstack_checks.login, link)
    if any(one.state == "bad" for one in found):
        return found
    choice, offered = _offered(link, settings)
    found += offered
    found += _asked("ends", openstack_checks.ending, link, settings)
    found += _asked("bucket", openstack_checks.container, link, settings)
    found += _asked("volumes", openstack_checks.volume_quota, link, settings)
    if choice is not None:
        found += _asked("quota", openstack_checks.compute_quota, link, settings, choice)
        found += _asked("quota", openstack_checks.network_quota, link, settings, choice)
        found += _asked("network", openstack_checks.outside, link, settings, choice)
    return found


def _offered(link: Any, settings: OpenStackSettings) -> tuple[Choice | None, list[Finding]]:
    try:
        with in_our_words("ask the cloud what it offers"):
            site = openstack_site.look(link)
    except TandemError as error:
        words = " ".join(filter(None, (error.problem, error.cause)))
        return None, [Finding("offers", "bad", words, error.next_step or "")]
    return openstack_checks.offers(settings, site)


def _asked(what: str, check: Callable[..., Iterable[Finding]], *given: Any) -> list[Finding]:
    def look() -> list[Finding]:
        with in_our_words(f"look at the {what}"):
            return list(check(*given))

    return guarded(what, look)


def _address(link: Any, settings: OpenStackSettings) -> Iterator[Finding]:
    own = aws_access.as_block(operator_address.find(settings.address_url))
    fix = f"pulumi config set operator-cidrs {own}, then pulumi up"
    path = settings.state / "inventory.json"
    if path.exists():
        machines = inventories.load(path)
        group = machines.security_group_id
        if group and machines.cluster_id == settings.cluster_id:
            with in_our_words("read who may reach SSH"):
                rules = link.network.security_group_rules(security_group_id=group)
                lets_in = tuple(
                    str(one.remote_ip_prefix)
                    for one in rules
                    if one.port_range_min == SSH.first and one.remote_ip_prefix
                )
            yield doctor_operator.covered(own, lets_in, f"group {group}", fix)
            return
    wanted = settings.operator_cidrs or (own,)
    yield doctor_operator.covered(own, wanted, "operator-cidrs", fix)
