"""What may be asked of machines on EC2; every error is told at once, before any call."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contracts.aws_catalogue import InstanceType
from contracts.schema import Problems
from infra import aws_rules as rules
from infra import cloud_rules
from infra.asker import Asker
from infra.settings import cluster_name, node_count

Market = Literal["on-demand", "spot"]

DEFAULTS: Mapping[str, Any] = {
    "name": "",
    "nodes": 3,
    "head-type": "m7i.large",
    "worker-types": "m7i.large",
    "workers": "on-demand",
    "spot-fallback": False,
    "spot-max-price": "",
    "unlisted-types": False,
    "zone": "",
    "vpc": "",
    "subnet": "",
    "network": "10.210.0.0/24",
    "image": "",
    "ssh-user": "ubuntu",
    "disk-gib": 30,
    "operator-cidrs": "",
    "address-url": "https://checkip.amazonaws.com",
    "allow-open-ssh": False,
    "bucket": "",
    "purge-bucket": False,
    "owner": "",
    "ttl-hours": 8,
    "idle-minutes": 30,
    "budget": "",
}
LEAST_TTL_HOURS = 0.25
# Settings of other machines, which have defaults in the project and so are always there.
OF_OTHERS = (
    *("provider", "cpus", "memory", "price", "currency"),
    *("head-flavor", "worker-flavors", "coins", "volume-gib", "volume-type"),
    *("external-network", "given-network", "floating-ip", "nameservers"),
    *("container", "s3-endpoint", "s3-region", "ends", "renew"),
)


@dataclass(frozen=True)
class AwsMachine:
    """One machine that is wanted. `kind` is None for a type that the bundled table lacks."""

    name: str
    role: Literal["head", "worker"]
    type_name: str
    market: Market
    kind: InstanceType | None


@dataclass(frozen=True)
class AwsSettings:
    """The cluster on EC2 that is wanted, its head first among the `machines`.

    What is None is looked up or made: `zone`, `vpc` and `subnet`, `image`, `bucket`. Empty
    `operator_cidrs` are found by asking `address_url`. `spot_max_price` and `budget` are in
    USD, the first per machine and hour. `purge_bucket` lets a destroy remove objects.
    `profile` is the operator's named set of credentials.
    """

    cluster_id: str
    region: str
    machines: tuple[AwsMachine, ...]
    state: Path
    owner: str
    operator_cidrs: tuple[str, ...]
    profile: str | None = None
    zone: str | None = None
    vpc: str | None = None
    subnet: str | None = None
    network: str = str(DEFAULTS["network"])
    image: str | None = None
    ssh_user: str = "ubuntu"
    disk_gib: int = 30
    address_url: str = str(DEFAULTS["address-url"])
    bucket: str | None = None
    purge_bucket: bool = False
    spot_fallback: bool = False
    spot_max_price: float | None = None
    ttl_hours: float = 8.0
    idle_minutes: float = 30.0
    budget: float | None = None


def parse_aws(
    given: Mapping[str, Any],
    *,
    region: str | None,
    state: Path,
    user: str,
    profile: str | None = None,
) -> AwsSettings:
    """Check a stack's configuration, as texts, numbers or booleans, and return the settings.

    `given` has the names of `DEFAULTS`; an empty text is as good as none. `user` is the owner
    where the configuration names none. `region` and `profile` are those of Pulumi's provider.

    Raises
    ------
    InvalidDocument
        With every problem at once, each naming the field, the value and the rule.
    """
    problems = Problems()
    problems.unknown_keys("", given, [*DEFAULTS, *OF_OTHERS])
    known = {
        name: given[name] if given.get(name) not in (None, "") else default
        for name, default in DEFAULTS.items()
    }
    ask = Asker(known, problems)
    values: dict[str, Any] = {
        "cluster_id": cluster_name(known["name"], problems),
        "region": rules.region(region, ask.flag("unlisted-types"), problems),
        "owner": ask.text("owner", cloud_rules.OWNER) or cloud_rules.clean_owner(user),
        "operator_cidrs": cloud_rules.operator_cidrs(
            known["operator-cidrs"], ask.flag("allow-open-ssh"), problems
        ),
        "zone": ask.text("zone", rules.ZONE),
        "vpc": ask.text("vpc", rules.VPC),
        "subnet": ask.text("subnet", rules.SUBNET),
        "image": ask.text("image", rules.IMAGE),
        "ssh_user": ask.text("ssh-user", cloud_rules.USER),
        "disk_gib": ask.whole("disk-gib", 8, 16384),
        "address_url": ask.text("address-url", cloud_rules.ADDRESS_URL),
        "bucket": ask.text("bucket", rules.BUCKET),
        "purge_bucket": ask.flag("purge-bucket"),
        "spot_fallback": ask.flag("spot-fallback"),
        "spot_max_price": ask.amount("spot-max-price", 0.0001, 1000),
        "ttl_hours": ask.amount("ttl-hours", LEAST_TTL_HOURS, 24 * 90),
        "idle_minutes": ask.amount("idle-minutes", 5, 24 * 60),
        "budget": ask.amount("budget", 0.01, 1_000_000),
    }
    _check_together(values, problems)
    machines = _machines(known, values["region"], ask, problems)
    values["network"] = cloud_rules.network(
        known["network"], len(machines), rules.RESERVED_ADDRESSES, problems
    )
    rules.one_architecture([one.kind for one in machines], problems)
    problems.raise_if_any(
        "the stack's configuration",
        next_step="pulumi config set NAME VALUE for each value named (Pulumi.aws.yaml has "
        "examples), then the same command again",
    )
    return AwsSettings(state=state, profile=profile, machines=tuple(machines), **values)


def _machines(
    known: Mapping[str, Any], region: str | None, ask: Asker, problems: Problems
) -> list[AwsMachine]:
    count = node_count(known["nodes"], problems) or 1
    market = ask.choice("workers", ("on-demand", "spot"))
    names = cloud_rules.names_in(known["worker-types"])
    workers = cloud_rules.of_workers("worker-types", names, count - 1, "type", problems)
    wanted = [
        ("head-type", str(known["head-type"])),
        *(("worker-types", one) for one in workers),
    ]
    unlisted = ask.flag("unlisted-types")
    kinds = {
        pair: rules.instance_type(*pair, region, unlisted, problems)
        for pair in dict.fromkeys(wanted)
    }
    return [
        AwsMachine(
            name=f"node-{place}",
            role="head" if place == 1 else "worker",
            type_name=pair[1],
            market="on-demand" if place == 1 else market,
            kind=kinds[pair],
        )
        for place, pair in enumerate(wanted, start=1)
    ]


def _check_together(values: Mapping[str, Any], problems: Problems) -> None:
    if (values["vpc"] is None) != (values["subnet"] is None):
        problems.add("vpc", "goes together with subnet: give both, or neither")
    if values["subnet"] and values["zone"]:
        problems.add("zone", "is that of the given subnet: leave it out")
    if values["zone"] and values["region"] and not values["zone"].startswith(values["region"]):
        problems.add("zone", f"must be one of {values['region']}, is {values['zone']!r}")
    if values["bucket"] and values["purge_bucket"]:
        problems.add("purge-bucket", "is for a bucket made here; a given one is never emptied")
