"""What a project on OpenStack holds of Tandem's, by what we wrote on it: one finder a kind."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cost.found import CLUSTER_TAG, EXPIRES_TAG, OWNER_TAG, Found

# Things whose only mark is a name, and the cluster in it.
_KEY = re.compile(r"tandem-(.+)-key-[0-9a-f]+\Z")
_CREDENTIAL = re.compile(r"tandem-(.+)-ending-[0-9a-f]+\Z")
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
    """Yield volumes that say whose they are, or that a machine of ours boots from."""
    if not link.has_service("block-storage"):
        return
    owners = {one.id: one.metadata or {} for one in link.compute.servers()}
    for one in link.block_storage.volumes():
        holders = [owners.get(each.get("server_id"), {}) for each in one.attachments or ()]
        marks = next(
            (each for each in (one.metadata or {}, *holders) if CLUSTER_TAG in each), {}
        )
        yield _found("volume", one.id, region, marks, one.status, one)


def _addresses(link: Any, region: str) -> Iterator[Found]:
    for one in link.network.ips(project_id=link.current_project_id):
        yield _found("address", one.id, region, _marks(one.tags), one.status, one)


def _ports(link: Any, region: str) -> Iterator[Found]:
    for one in link.network.ports(project_id=link.current_project_id):
        yield _found("port", one.id, region, _marks(one.tags), one.status, one)


def _routers(link: Any, region: str) -> Iterator[Found]:
    for one in link.network.routers(project_id=link.current_project_id):
        yield _found("router", one.id, region, _marks(one.tags), one.status, one)


def _networks(link: Any, region: str) -> Iterator[Found]:
    for one in link.network.networks(project_id=link.current_project_id):
        yield _found("network", one.id, region, _marks(one.tags), one.status, one)


def _groups(link: Any, region: str) -> Iterator[Found]:
    for one in link.network.security_groups(project_id=link.current_project_id):
        yield _found("security group", one.id, region, _marks(one.tags), "", one)


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


def _marks(tags: Iterable[str] | None) -> dict[str, str]:
    """Return tags such as `tandem:cluster=demo` by their names."""
    pairs = (one.partition("=") for one in tags or ())
    return {name: value for name, _, value in pairs}


def _found(
    kind: str, name: str, region: str, marks: Mapping[str, str], state: str, detail: Any
) -> Found:
    return Found(
        kind=kind,
        id=name,
        region=region,
        cluster=marks.get(CLUSTER_TAG, ""),
        owner=marks.get(OWNER_TAG, ""),
        expires_at=marks.get(EXPIRES_TAG, ""),
        state=(state or "").lower(),
        detail=detail,
    )


# In the order in which a cluster comes apart.
_FINDERS: Mapping[str, Callable[[Any, str], Iterator[Found]]] = {
    "server": _servers,
    "volume": _volumes,
    "address": _addresses,
    "port": _ports,
    "router": _routers,
    "network": _networks,
    "security group": _groups,
    "key pair": _keys,
    "container": _containers,
    "credential": _credentials,
}
KINDS = tuple(_FINDERS)
# The login service is one for all regions.
ONCE = ("credential",)
