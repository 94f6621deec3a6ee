"""What may be asked of machines on OpenStack; all that is wrong is told before any call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from contracts.schema import Problems
from infra import aws_settings, cloud_rules
from infra import openstack_rules as rules
from infra.asker import Asker
from infra.settings import cluster_name, node_count

Ending = Literal["delete", "stop"]

DEFAULTS: Mapping[str, Any] = {
    "name": "",
    "nodes": 3,
    "head-flavor": "",
    "worker-flavors": "",
    "coins": "",
    "image": "",
    "ssh-user": "ubuntu",
    "volume-gib": 0,
    "volume-type": "",
    "zone": "",
    "external-network": "",
    "given-network": "",
    "floating-ip": True,
    "network": "10.210.0.0/24",
    "nameservers": "",
    "operator-cidrs": "",
    "address-url": "https://checkip.amazonaws.com",
    "allow-open-ssh": False,
    "container": True,
    "bucket": "",
    "purge-bucket": False,
    "s3-endpoint": "",
    "s3-region": "us-east-1",
    "owner": "",
    "ttl-hours": 8,
    "idle-minutes": 30,
    "budget": "",
    "ends": "delete",
    "renew": "",
}
_LOCAL = ("provider", "cpus", "memory", "price", "currency")
_OF_AWS = {name: value for name, value in aws_settings.DEFAULTS.items() if name not in DEFAULTS}


@dataclass(frozen=True)
class OpenStackMachine:
    """One machine that is wanted; without a flavor the look-up tells which there are."""

    name: str
    role: Literal["head", "worker"]
    flavor: str


@dataclass(frozen=True)
class OpenStackSettings:
    """The cluster on OpenStack that is wanted, its head first among the `machines`.

    `cloud` is a name in clouds.yaml; None means what the variables OS_* say. What is None is
    looked up or made: `image`, `external_network`, `given_network`, `bucket`. `coins` has what
    flavors, and other things that stay, cost in an hour; `budget` is in coins, too.
    `volume_gib` is the disk of each machine where it boots from a volume, else None. `ends` is
    what becomes of machines whose time is up; `renew` is the generation of an inventory whose
    machines ended and may be made again.
    """

    cluster_id: str
    machines: tuple[OpenStackMachine, ...]
    state: Path
    owner: str
    operator_cidrs: tuple[str, ...]
    cloud: str | None = None
    region: str | None = None
    coins: Mapping[str, float] = field(default_factory=dict)
    image: str | None = None
    ssh_user: str = "ubuntu"
    volume_gib: int | None = None
    volume_type: str | None = None
    zone: str | None = None
    external_network: str | None = None
    given_network: str | None = None
    floating_ip: bool = True
    network: str = str(DEFAULTS["network"])
    nameservers: tuple[str, ...] = ()
    address_url: str = str(DEFAULTS["address-url"])
    container: bool = True
    bucket: str | None = None
    purge_bucket: bool = False
    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    ttl_hours: float = 8.0
    idle_minutes: float = 30.0
    budget: float | None = None
    ends: Ending = "delete"
    renew: int | None = None


def parse_openstack(
    given: Mapping[str, Any],
    *,
    state: Path,
    user: str,
    cloud: str | None = None,
    region: str | None = None,
) -> OpenStackSettings:
    """Check a stack's configuration, as texts, numbers or booleans, and return the settings.

    `given` has the names of `DEFAULTS`; an empty text is as good as none. `user` is the owner
    where the configuration names none. `cloud` and `region` are those of Pulumi's provider.

    Raises
    ------
    InvalidDocument
        With every problem at once, each naming the field, the value and the rule.
    """
    problems = Problems()
    problems.unknown_keys("", given, [*DEFAULTS, *_LOCAL, *_OF_AWS])
    rules.not_of_others(given, _OF_AWS, problems)
    known = {
        name: given[name] if given.get(name) not in (None, "") else default
        for name, default in DEFAULTS.items()
    }
    ask = Asker(known, problems)
    machines = _machines(known, problems)
    values: dict[str, Any] = {
        "cluster_id": cluster_name(known["name"], problems),
        "owner": ask.text("owner", cloud_rules.OWNER) or cloud_rules.clean_owner(user),
        "operator_cidrs": cloud_rules.operator_cidrs(
            known["operator-cidrs"], ask.flag("allow-open-ssh"), problems
        ),
        "coins": rules.coins(known["coins"], problems),
        "image": ask.text("image", rules.NAME),
        "ssh_user": ask.text("ssh-user", cloud_rules.USER),
        "volume_gib": ask.whole("volume-gib", 0, 16384) or None,
        "volume_type": ask.text("volume-type", rules.NAME),
        "zone": ask.text("zone", rules.ZONE),
        "external_network": ask.text("external-network", rules.NAME),
        "given_network": ask.text("given-network", rules.NAME),
        "floating_ip": ask.flag("floating-ip"),
        "network": cloud_rules.network(
            known["network"], len(machines), rules.RESERVED_ADDRESSES, problems
        ),
        "nameservers": rules.nameservers(known["nameservers"], problems),
        "address_url": ask.text("address-url", cloud_rules.ADDRESS_URL),
        "container": ask.flag("container"),
        "bucket": ask.text("bucket", rules.CONTAINER),
        "purge_bucket": ask.flag("purge-bucket"),
        "s3_endpoint": ask.text("s3-endpoint", rules.ENDPOINT),
        "s3_region": ask.text("s3-region", rules.S3_REGION),
        "ttl_hours": ask.amount("ttl-hours", aws_settings.LEAST_TTL_HOURS, 24 * 90),
        "idle_minutes": ask.amount("idle-minutes", 5, 24 * 60),
        "budget": ask.amount("budget", 0.01, 1_000_000),
        "ends": ask.choice("ends", ("delete", "stop")),
        "renew": _renewal(ask.text("renew", rules.RENEWAL)),
    }
    _check_together(values, machines, problems)
    problems.raise_if_any(
        "the stack's configuration",
        next_step="pulumi config set NAME VALUE for each value named (Pulumi.ssc.yaml has "
        "examples), then the same command again",
    )
    return OpenStackSettings(
        state=state,
        cloud=cloud or None,
        region=region or None,
        machines=tuple(machines),
        **values,
    )


def _renewal(value: str | None) -> int | None:
    return None if value is None else int(value)


def _machines(known: Mapping[str, Any], problems: Problems) -> list[OpenStackMachine]:
    count = node_count(known["nodes"], problems) or 1
    head = str(known["head-flavor"]).strip()
    names = cloud_rules.names_in(known["worker-flavors"]) or [head]
    workers = cloud_rules.of_workers("worker-flavors", names, count - 1, "flavor", problems)
    return [
        OpenStackMachine(f"node-{place}", "head" if place == 1 else "worker", flavor)
        for place, flavor in enumerate([head, *workers], start=1)
    ]


def _check_together(
    values: Mapping[str, Any], machines: list[OpenStackMachine], problems: Problems
) -> None:
    if values["bucket"] and values["purge_bucket"]:
        problems.add(
            "purge-bucket", "is for a container made here; a given one is never emptied"
        )
    if values["s3_endpoint"] and not (values["container"] or values["bucket"]):
        problems.add("s3-endpoint", "is for a container: set container true, or bucket")
    if values["volume_type"] and not values["volume_gib"]:
        problems.add("volume-type", "is for machines that boot from a volume: set volume-gib")
    if not values["floating_ip"] and not values["given_network"]:
        problems.add(
            "floating-ip", "may be false in a given network only: nobody reaches one made here"
        )
    missing = {one.flavor for one in machines if one.flavor} - set(values["coins"])
    if values["budget"] is not None and missing:
        problems.add(
            "budget",
            "is in coins, and the table coins lacks " + ", ".join(sorted(missing)),
        )
