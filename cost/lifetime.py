"""Until when machines may live: what a budget allows, and the tags that say it."""

import dataclasses
import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contracts.errors import RefusedError, UsageError
from contracts.inventory import Inventory, Node
from cost.account import PRICE_REGION, Account, in_our_words
from cost.estimate import ON_DEMAND, hours_within
from cost.found import EXPIRES_TAG, REGIONAL, Found
from cost.prices import Prices

# An inventory does not say how large disks are; this is what the stack gives by default.
USUAL_DISK_GIB = 30
_TIME_INSTEAD = (
    "or limit the time instead: pulumi config rm budget, pulumi config set ttl-hours N, and "
    "pulumi up"
)
_WITHOUT_PRICES = f"log in to AWS, whose price API knows every type; {_TIME_INSTEAD}"
_WITHOUT_COINS = f"pulumi config set coins FLAVOR=N,... and pulumi up; {_TIME_INSTEAD}"
# A bring-up takes minutes; less would end the machines in the middle of it.
LEAST_AHEAD = datetime.timedelta(minutes=10)
_MOST_TAGGED = 500


def hourly(inventory: Inventory, prices: Prices | None = None) -> float:
    """Return what the machines of an inventory cost in an hour, in its currency.

    For AWS the machines cost what `prices` say, where there are any, and a public address and
    a disk of the usual size are added to each.

    Raises
    ------
    UsageError
        If a machine has no price.
    """
    if inventory.provider == "aws":
        prices = prices or Prices(None, inventory.region)
        addresses = sum(node.public_ip is not None for node in inventory.nodes)
        try:
            rest = len(inventory.nodes) * prices.disk(USUAL_DISK_GIB).hourly
            rest += addresses * prices.address().hourly
            return rest + sum(_of_node(node, prices) for node in inventory.nodes)
        except UsageError as error:
            raise UsageError(
                f"A budget means nothing here: {error.problem}",
                cause=error.cause,
                next_step=_WITHOUT_PRICES,
            ) from error
    nameless = [node.name for node in inventory.nodes if node.hourly_price is None]
    if nameless:
        raise UsageError(
            f"There is no price for {', '.join(nameless)} in the inventory, so a budget means "
            "nothing.",
            next_step=_WITHOUT_COINS if inventory.provider == "openstack" else _WITHOUT_PRICES,
        )
    return sum(node.hourly_price or 0.0 for node in inventory.nodes)


def _of_node(node: Node, prices: Prices) -> float:
    """Return the price of a machine of AWS; what the inventory has is only a table's guess."""
    if node.instance_type is None and node.hourly_price is not None:
        return node.hourly_price
    return prices.machine(node.instance_type or node.name, node.market or ON_DEMAND).hourly


def affordable_until(
    inventory: Inventory, budget: float, prices: Prices | None = None
) -> datetime.datetime:
    """Return when the machines will have cost the budget, counted from their beginning."""
    begin = datetime.datetime.fromisoformat(inventory.created_at)
    hours = min(hours_within(budget, hourly(inventory, prices)), 1e5)
    return begin + datetime.timedelta(hours=hours)


def within_budget(
    inventory: Inventory, budget: float, now: datetime.datetime, prices: Prices | None = None
) -> Inventory:
    """Return the inventory with a budget, and with no more time than the budget pays for.

    Raises
    ------
    RefusedError
        If that would end the machines at once, or within `LEAST_AHEAD`.
    """
    end = affordable_until(inventory, budget, prices)
    known = inventory.expires_at and datetime.datetime.fromisoformat(inventory.expires_at)
    changed = dataclasses.replace(inventory, budget=budget)
    if known and known <= end:
        return changed
    if end < now + LEAST_AHEAD:
        raise RefusedError(
            f"A budget of {budget:g} lasts until {end.isoformat(timespec='minutes')}, counted "
            "from when the machines were made, and would end them before they had worked.",
            next_step="a larger budget (--budget, or pulumi config set budget and pulumi up); "
            "or pulumi destroy",
        )
    return ends_at(changed, end, math.floor)


def extended(
    inventory: Inventory,
    hours: float,
    budget: float | None,
    now: datetime.datetime,
    prices: Prices | None = None,
) -> Inventory:
    """Return the inventory with at least so many hours left; the same if it has them.

    Raises
    ------
    UsageError
        If its machines have no limit, so that there is nothing to extend.
    RefusedError
        If the budget does not pay for it; a new `budget` takes the place of the old.
    """
    if inventory.expires_at is None:
        raise UsageError(
            f"The machines of {inventory.cluster_id!r} have no time limit.",
            next_step="fab cost.show says what they cost",
        )
    known, wanted = inventory.expires_at, now + datetime.timedelta(hours=hours)
    limit = inventory.budget if budget is None else budget
    if limit is not None:
        end = affordable_until(inventory, limit, prices)
        if wanted > end:
            raise RefusedError(
                f"{hours:g} more hours go beyond the budget of {limit:g}, which lasts until "
                f"{end.isoformat(timespec='minutes')}.",
                next_step="fab cluster.extend with fewer --hours, or with a larger --budget",
            )
        inventory = dataclasses.replace(inventory, budget=limit)
        if end < datetime.datetime.fromisoformat(known):
            inventory = ends_at(inventory, end, math.floor)
    if wanted <= datetime.datetime.fromisoformat(inventory.expires_at or known):
        return inventory
    return ends_at(inventory, wanted, math.ceil)


def ends_at(
    inventory: Inventory, end: datetime.datetime, whole: Callable[[float], int]
) -> Inventory:
    """Return the inventory with another end, made a whole number of seconds by `whole`.

    `ttl_hours` and `expires_at` agree to the second.
    """
    begin = datetime.datetime.fromisoformat(inventory.created_at)
    hours = whole((end - begin).total_seconds()) / 3600
    moment = begin + datetime.timedelta(seconds=round(hours * 3600))
    return dataclasses.replace(
        inventory, ttl_hours=hours, expires_at=moment.isoformat(timespec="seconds")
    )


def retag(account: Account, found: Sequence[Found], expires_at: str) -> int:
    """Write another end into the tags of everything that has them; return how many."""
    by_region: dict[str, list[str]] = {}
    for one in found:
        if one.kind in REGIONAL:
            by_region.setdefault(one.region, []).append(one.id)
    tags = [{"Key": EXPIRES_TAG, "Value": expires_at}]
    for region, names in by_region.items():
        with in_our_words("write the tags anew"):
            for first in range(0, len(names), _MOST_TAGGED):
                account.client("ec2", region).create_tags(
                    Resources=names[first : first + _MOST_TAGGED], Tags=tags
                )
    everywhere = [one for one in found if one.kind in _RETAGGERS]
    for one in everywhere:
        with in_our_words(f"write the tags of {one.kind} {one.id} anew"):
            _RETAGGERS[one.kind](account, one.id, tags)
    return sum(map(len, by_region.values())) + len(everywhere)


def _retag_bucket(account: Account, name: str, tags: list[dict[str, str]]) -> None:
    """Change some tags of a bucket; S3 itself only puts all of them."""
    s3 = account.client("s3")
    new = {tag["Key"] for tag in tags}
    kept = [
        tag for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"] if tag["Key"] not in new
    ]
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [*kept, *tags]})


_RETAGGERS: Mapping[str, Callable[[Account, str, list[dict[str, str]]], Any]] = {
    "role": lambda account, name, tags: account.client("iam", PRICE_REGION).tag_role(
        RoleName=name, Tags=tags
    ),
    "instance profile": lambda account, name, tags: account.client(
        "iam", PRICE_REGION
    ).tag_instance_profile(InstanceProfileName=name, Tags=tags),
    "bucket": _retag_bucket,
}
