"""What an account holds of Tandem's, found by tag: one small finder for each kind of thing."""

import datetime
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cost.account import code_of

CLUSTER_TAG = "tandem:cluster"
OWNER_TAG = "tandem:owner"
EXPIRES_TAG = "tandem:expires-at"
EVERYWHERE = "global"

_AT_ONCE = 8
_GONE = {"shutting-down", "terminated", "deleted", "deleting", "cancelled", "closed", "failed"}
_NO_TAGS = {"NoSuchTagSet", "NoSuchBucket", "NoSuchEntity"}
_DENIED = {"AccessDenied", "AllAccessDisabled"}
_OUR_NAMES = "tandem-"


@dataclass(frozen=True)
class Found:
    """One thing in the account. `detail` is what its service says of it."""

    kind: str
    id: str
    region: str
    cluster: str
    owner: str = ""
    expires_at: str = ""
    state: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def document(self) -> dict[str, str]:
        """Return it as a JSON object, without the detail."""
        names = ("kind", "id", "region", "cluster", "owner", "expires_at", "state")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class _Listing:
    """How EC2 lists a kind: the operation, where the things stand in its answer, their id."""

    operation: str
    path: str
    identifier: str
    state: str = "State"


# In the order in which a cluster comes apart; `cost.remove` follows it.
_LISTINGS: Mapping[str, _Listing] = {
    "spot request": _Listing(
        "describe_spot_instance_requests", "SpotInstanceRequests", "SpotInstanceRequestId"
    ),
    "instance": _Listing("describe_instances", "Reservations[].Instances[]", "InstanceId"),
    "address": _Listing("describe_addresses", "Addresses", "AllocationId"),
    "volume": _Listing("describe_volumes", "Volumes", "VolumeId"),
    "network interface": _Listing(
        "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", "Status"
    ),
    "security group": _Listing("describe_security_groups", "SecurityGroups", "GroupId"),
    "internet gateway": _Listing(
        "describe_internet_gateways", "InternetGateways", "InternetGatewayId"
    ),
    "subnet": _Listing("describe_subnets", "Subnets", "SubnetId"),
    "route table": _Listing("describe_route_tables", "RouteTables", "RouteTableId"),
    "network": _Listing("describe_vpcs", "Vpcs", "VpcId"),
    "key pair": _Listing("describe_key_pairs", "KeyPairs", "KeyPairId"),
}
REGIONAL = tuple(_LISTINGS)
GLOBAL = ("instance profile", "role", "bucket")


def regional(client: Any, kind: str, region: str, cluster: str | None) -> Iterator[Found]:
    """Yield the things of one kind in one region; of one cluster, or of any."""
    listing = _LISTINGS[kind]
    by_name = {"Name": f"tag:{CLUSTER_TAG}", "Values": [cluster]}
    by_tag = {"Name": "tag-key", "Values": [CLUSTER_TAG]}
    options = {"Filters": [by_name if cluster else by_tag]}
    if client.can_paginate(listing.operation):
        things = client.get_paginator(listing.operation).paginate(**options)
        items = things.search(listing.path)
    else:
        items = iter(getattr(client, listing.operation)(**options)[listing.path])
    for item in items:
        found = _found(kind, item[listing.identifier], region, item, item.get("Tags"))
        state = item.get(listing.state) or ""
        name = str(state.get("Name", "")) if isinstance(state, Mapping) else str(state)
        if name not in _GONE:
            yield Found(**{**vars(found), "state": name})


def roles(client: Any, cluster: str | None) -> Iterator[Found]:
    """Yield the roles, those that services made for themselves left out."""
    pages = client.get_paginator("list_roles").paginate()
    names = [
        one["RoleName"]
        for one in pages.search("Roles")
        if not one["Path"].startswith("/aws-service-role/")
    ]
    yield from _tagged(
        "role", names, lambda name: client.get_role(RoleName=name)["Role"], cluster
    )


def instance_profiles(client: Any, cluster: str | None) -> Iterator[Found]:
    """Yield the instance profiles."""
    pages = client.get_paginator("list_instance_profiles").paginate()
    names = [one["InstanceProfileName"] for one in pages.search("InstanceProfiles")]

    def read(name: str) -> Any:
        return client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]

    yield from _tagged("instance profile", names, read, cluster)


def buckets(client: Any, cluster: str | None) -> Iterator[Found]:
    """Yield the buckets; one whose tags may not be read counts if its name is like ours."""
    pages = client.get_paginator("list_buckets").paginate()
    made = {one["Name"]: one for one in pages.search("Buckets") if one}

    def read(name: str) -> Any:
        try:
            tags = client.get_bucket_tagging(Bucket=name)["TagSet"]
        except client.exceptions.ClientError as error:
            if code_of(error) not in _DENIED or name.startswith(_OUR_NAMES):
                raise
            tags = []
        return {**made[name], "Tags": tags}

    yield from _tagged("bucket", list(made), read, cluster)


def _tagged(
    kind: str, names: list[str], read: Callable[[str], Any], cluster: str | None
) -> Iterator[Found]:
    """Read many things at once, and yield those with our tag."""

    def look(name: str) -> Found | None:
        try:
            item = read(name)
        except Exception as error:
            if code_of(error) in _NO_TAGS:
                return None
            raise
        return _found(kind, name, EVERYWHERE, item, item.get("Tags"))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for one in pool.map(look, names):
            if one is not None and one.cluster and cluster in (None, one.cluster):
                yield one


def _found(kind: str, name: str, region: str, item: Any, tags: Any) -> Found:
    texts = {tag["Key"]: tag["Value"] for tag in tags or ()}
    return marked(kind, name, region, texts, item)


def marked(
    kind: str, name: str, region: str, marks: Mapping[str, str], detail: Any, state: str = ""
) -> Found:
    """Return a thing with what its marks, by their names, say of it."""
    return Found(
        kind=kind,
        id=name,
        region=region,
        cluster=marks.get(CLUSTER_TAG, ""),
        owner=marks.get(OWNER_TAG, ""),
        expires_at=marks.get(EXPIRES_TAG, ""),
        state=state,
        detail=detail,
    )


def moment(value: Any) -> datetime.datetime | None:
    """Return a time that AWS told, in UTC; None if it told none."""
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value)
    return value.astimezone(datetime.UTC) if isinstance(value, datetime.datetime) else None
