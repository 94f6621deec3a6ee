"""The stack on OpenStack: the configuration is checked alone, then against the cloud."""

import contextlib
import datetime
import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi

from infra import openstack_site, openstack_unnoted, operator_address
from infra.given import given
from infra.inventory_file import known
from infra.openstack_calls import connect, in_our_words
from infra.openstack_choice import choose
from infra.openstack_cluster import PROVIDER, OpenStackCluster
from infra.openstack_renewal import AWAKE, refuse_silent
from infra.openstack_settings import OpenStackSettings, parse_openstack
from infra.openstack_site import Site
from infra.passphrase import check_passphrase


def declare_openstack(
    config: pulumi.Config, state: Path, stack_file: Path | None = None
) -> Mapping[str, pulumi.Input[Any]]:
    """Declare the cluster that the configuration asks for; return the stack's outputs.

    Raises
    ------
    UsageError
        If the configuration is wrong, the cloud has not what it names, nobody is logged in,
        or the stack's secrets have no passphrase.
    RefusedError
        If the machines of this stack ended themselves and nobody said to make them again.
    TandemError
        If the cloud, or the operator's own address, cannot be asked.
    """
    settings = read_settings(config, state)
    check_passphrase(os.environ, stack_file or Path(f"Pulumi.{pulumi.get_stack()}.yaml"))
    site, awake = ask(settings)
    choice = choose(settings, site)
    before = known(state)
    if before is not None and (before.provider, before.cluster_id) != (
        PROVIDER,
        settings.cluster_id,
    ):
        before = None
    refuse_silent(before, awake, settings.renew, datetime.datetime.now(datetime.UTC))
    if not pulumi.runtime.is_dry_run():
        _forget(settings)
    cidrs = settings.operator_cidrs or (f"{operator_address.find(settings.address_url)}/32",)
    cluster = OpenStackCluster("cluster", settings, choice, cidrs)
    return {
        "inventory": cluster.inventory,
        "inventory_path": str(state / "inventory.json"),
        "container": cluster.container,
        "security_group_id": cluster.security_group_id,
    }


def _forget(settings: OpenStackSettings) -> None:
    before = openstack_unnoted.interrupted(pulumi.get_stack())
    if before is None:
        return
    with (
        contextlib.closing(connect(settings.cloud, settings.region)) as link,
        in_our_words("remove what an interrupted up left"),
    ):
        openstack_unnoted.remove(link, before)


def ask(settings: OpenStackSettings) -> tuple[Site, list[str]]:
    """Return what the cloud offers, and the ids of all machines of the project that run."""
    with (
        contextlib.closing(connect(settings.cloud, settings.region)) as link,
        in_our_words("ask the cloud what it offers"),
    ):
        site = openstack_site.look(link)
        awake = [one.id for one in link.compute.servers() if one.status in AWAKE]
    return site, awake


def read_settings(config: pulumi.Config, state: Path) -> OpenStackSettings:
    """Return the settings of the selected stack, its misspelt names found too."""
    provider = pulumi.Config("openstack")
    return parse_openstack(
        given(config),
        cloud=provider.get("cloud"),
        region=provider.get("region"),
        state=state,
        user=getpass.getuser(),
    )
