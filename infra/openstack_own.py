"""What a cluster has already in a project on OpenStack, as its quotas count it."""

from collections.abc import Iterator
from typing import Any

from infra.openstack_site import Flavor, Site

_CLUSTER = "tandem:cluster"
# As the quotas call things, and as the SDK lists them, where these differ.
_LISTED_AS = {"floating_ips": "ips"}


def machines(link: Any, cluster: str, site: Site) -> list[Flavor]:
    """Return the flavor of each machine of a cluster, an empty one where the site has none."""
    known = {key: one for one in site.flavors for key in (one.id, one.name)}
    return [
        # Newer versions of nova tell the name of a flavor, older ones its id.
        known.get(one.flavor.original_name)
        or known.get(one.flavor.id)
        or Flavor("", "", 0, 0, 0)
        for one in link.compute.servers()
        if (one.metadata or {}).get(_CLUSTER) == cluster
    ]


def of_network(link: Any, cluster: str, kind: str) -> int:
    """Return how many things of one of neutron's quotas a cluster has."""
    if kind == "security_group_rules":
        groups = {one.id for one in _marked(link, "security_groups", cluster)}
        rules = link.network.security_group_rules()
        return sum(one.security_group_id in groups for one in rules)
    if kind in ("ports", "subnets"):
        # Ports of the router and of DHCP have no mark, and lie in the cluster's network.
        own = {one.id for one in _marked(link, "networks", cluster)}
        there = _all(link, kind)
        return sum(_is_marked(one, cluster) or one.network_id in own for one in there)
    return len(list(_marked(link, _LISTED_AS.get(kind, kind), cluster)))


def _all(link: Any, plural: str) -> Iterator[Any]:
    yield from getattr(link.network, plural)(project_id=link.current_project_id)


def _marked(link: Any, plural: str, cluster: str) -> Iterator[Any]:
    return (one for one in _all(link, plural) if _is_marked(one, cluster))


def _is_marked(one: Any, cluster: str) -> bool:
    return f"{_CLUSTER}={cluster}" in (one.tags or ())
