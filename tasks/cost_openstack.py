"""What `fab cost.*` does for machines on OpenStack: a table of coins, and an audit by marks."""

import contextlib
from collections.abc import Sequence
from typing import Any

from cost import coins
from cost.audit import Audit
from cost.estimate import Estimate
from cost.openstack_audit import audit, regions
from cost.openstack_remove import remove
from infra import stack_file
from infra.openstack_calls import connect, in_our_words
from tasks.cost_words import Place
from tasks.doctor_openstack import settings_of
from tasks.progress import Progress


def estimate(known: dict[str, str], hours: float | None) -> tuple[Estimate, str]:
    """Return what a stack's machines cost in coins, and what stays when they have ended."""
    settings = settings_of(known)
    found = coins.estimate(
        [one.flavor for one in settings.machines],
        settings.coins,
        hours or settings.ttl_hours,
        volume_gib=settings.volume_gib or 0,
        address=settings.floating_ip,
    )
    stays = coins.remains(
        settings.coins,
        address=settings.floating_ip,
        network=settings.given_network is None,
        container=settings.container and settings.bucket is None,
    )
    return found, stays


def place(name: str, links: contextlib.ExitStack) -> Place:
    """Return the project of a stack as a place for an audit; `links` closes what was opened."""
    known, tell = stack_file.read(name), Progress()
    cloud, there = known.get("openstack:cloud"), dict[str, Any]()

    def link(region: str | None) -> Any:
        return links.enter_context(contextlib.closing(connect(cloud, region)))

    def look(where: Sequence[str] | None, cluster: str | None) -> Audit:
        if where is None:
            with in_our_words("list the regions"):
                where = regions(home)
        for region in where:
            if region not in there:
                there[region] = link(region)
        return audit({one: there[one] for one in where}, cluster, in_our_words, tell)

    home = link(known.get("openstack:region"))
    with in_our_words("log in"):
        project = str(home.current_project_id)
    return Place(
        project,
        f"project {project}",
        look,
        lambda found: remove(there, found, in_our_words, tell),
    )
