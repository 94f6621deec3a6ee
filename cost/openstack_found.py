"""What a project on OpenStack holds of Tandem's, by what we wrote on it: one finder a kind."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cost.found import CLUSTER_TAG, Found, marked

# Things whose only mark is a name, and the cluster in it.
_KEY = re.compile(r"tandem-(.+)-key-[0-9a-f]+\Z")
_CREDENTIAL = re.compile(r"tandem-(.+)-ending-[0-9a-f]+\Z")
# For a moment a thing of the network has its name, and not yet its tags.
_UNTAGGED = re.compile(r"tandem-(.+)-(?:network|router|members|head|node-\d+)-[0-9a-f]{8}\Z")
_OUR_NAMES = "tandem-"


def find(link: Any, kind: str, region: str, cluster: str | None) -> Iterator[Found]:
    """Yield the things of one kind in the project; of one cluster, or of any.

    `link` is a connection of the SDK to that region.
    """
    for one in _FINDERS[kind](link, region):
        if one.cluster and cluster in (None, one.cluster):
            yield one


def _servers(link: Any, region: str) -> Iterator[Found]:
    for one in link.compute.servers():
        yield _found("server", one.id, region, one.metadata or {}, one.status, one)


def _volumes(link: Any, region: str) -> Iterator[Found]:
    """Yield volumes that say whose they are, or that a machine of ours boots from.

    What somebody attached to such a machine is theirs.
    """
    if not link.has_service("block-storage"):
        return
    owners = {one.id: one.metadata or {} for one in link.compute.servers()}
    for one in link.block_storage.volumes():
        attached = one.attachments or () if one.is_bootable else ()
        holders = [owners.get(each.get("server_id"), {}) for each in attached]
        marks = next(
            (each for each in (one.metadata or {}, *holders) if CLUSTER_TAG in each), {}
        )
        yield _found("volume", one.id, region, marks, one.status, one)


def _of_neutron(kind: str, plural: str) -> Callable[[Any, str], Iterator[Found]]:
    """Return the finder of things that the SDK's network proxy lists as `plural`."""

    def find_all(link: Any, region: str) -> Iterator[Found]:
        for one in getattr(link.network, plural)(project_id=link.current_project_id):
            yield _found(kind, one.id, region, _marks(one), one.status, one)

    return find_all


def _groups(link: Any, region: str) -> Iterator[Found]:
    for one in link.network.security_groups(project_id=link.current_project_id):
        yield _found("security group", one.id, region, _marks(one), "", one)


def _containers(link: Any, region: str) -> Iterator[Found]:
    """Yield containers; their marks are told one by one, so those of other names are passed."""
    if not link.has_service("object-store"):
        return
    for listed in link.object_store.containers():
        if listed.name.startswith(_OUR_NAMES):
            said = link.object_store.get_container_metadata(listed.name).metadata or {}
            # Swift tells a mark's name with capitals of its own choice.
            marks = {key.lower().replace("tandem-", "tandem:", 1): said[key] for key in said}
            yield _found("container", listed.name, region, marks, "", listed)


def _keys(link: Any, region: str) -> Iterator[Found]:
    yield from _named("key pair", (one.name for one in link.compute.keypairs()), _KEY, region)


def _credentials(link: Any, region: str) -> Iterator[Found]:
    known = link.identity.application_credentials(link.current_user_id)
    names = {one.name: one for one in known}
    for found in _named("credential", names, _CREDENTIAL, region):
        yield Found(**{**vars(found), "id": names[found.id].id})


def _named(
    kind: str, names: Iterable[str], pattern: re.Pattern[str], region: str
) -> Iterator[Found]:
    for name in names:
        if match := pattern.match(name):
            yield Found(kind, name, region, match[1])


def _marks(one: Any) -> dict[str, str]:
    """Return tags such as `tandem:cluster=demo` by their names, or what the thing's name says.

    The name of an address is itself; it says the same in its description.
    """
    pairs = (tag.partition("=") for tag in one.tags or ())
    found = {name: value for name, _, value in pairs}
    for said in (getattr(one, "name", None), getattr(one, "description", None)):
        if CLUSTER_TAG not in found and (match := _UNTAGGED.match(said or "")):
            found[CLUSTER_TAG] = match[1]
    return found


def _found(
    kind: str, name: str, region: str, marks: Mapping[str, str], state: str, detail: Any
) -> Found:
    return marked(kind, name, region, marks, detail, (state or "").lower())


# In the order in which a cluster comes apart.
_FINDERS: Mapping[str, Callable[[Any, str], Iterator[Found]]] = {
    "server": _servers,
    "volume": _volumes,
    "address": _of_neutron("address", "ips"),
    "port": _of_neutron("port", "ports"),
    "router": _of_neutron("router", "routers"),
    "network": _of_neutron("network", "networks"),
    "security group": _groups,
    "key pair": _keys,
    "container": _containers,
    "credential": _credentials,
}
KINDS = tuple(_FINDERS)
# The login service is one for all regions.
ONCE = ("credential",)
