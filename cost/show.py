"""What runs now and what it has cost so far: machines, disks, addresses, the bucket."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.aws_prices import CURRENCY
from contracts.errors import TandemError
from contracts.inventory import Inventory
from contracts.progress import Tell, step, tell_nobody
from cost.account import Account, in_our_words
from cost.audit import Audit, audit
from cost.estimate import ON_DEMAND, SPOT
from cost.found import Found, moment
from cost.prices import Price, Prices

GIB = 1024**3
# A bucket of more objects than this is counted in part, and the bill says so.
MOST_PAGES = 200


@dataclass(frozen=True)
class Spent:
    """One thing that costs: dollars an hour now, and dollars so far; None is not known."""

    kind: str
    id: str
    what: str
    since: datetime.datetime | None
    hourly: float | None
    so_far: float | None
    source: str
    region: str = ""


@dataclass(frozen=True)
class Bill:
    """What one cluster, or all of them, cost now; `notes` say what is not in it."""

    rows: tuple[Spent, ...]
    currency: str
    notes: tuple[str, ...] = ()

    @property
    def hourly(self) -> float:
        """What everything that is known costs in an hour, now."""
        return sum(row.hourly or 0.0 for row in self.rows)

    @property
    def so_far(self) -> float:
        """What everything that is known has cost so far."""
        return sum(row.so_far or 0.0 for row in self.rows)

    def document(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        rows = [
            {**vars(row), "since": row.since.isoformat() if row.since else None}
            for row in self.rows
        ]
        return {
            "currency": self.currency,
            "hourly": round(self.hourly, 6),
            "so_far": round(self.so_far, 6),
            "rows": rows,
            "sources": sorted({row.source for row in self.rows}),
            "notes": list(self.notes),
        }


def of_account(
    account: Account,
    regions: Sequence[str],
    cluster: str | None,
    tell: Tell = tell_nobody,
) -> Bill:
    """Return what the account runs for a cluster, or for all of them, in some regions.

    Machines that have ended are not in it.
    """
    found = audit(account, regions, cluster, tell)
    notes = [f"not looked at: {what} ({why})" for what, why in found.unseen.items()]
    rows: list[Spent] = []
    with step(tell, "account", "prices"):
        for region in found.regions:
            prices = Prices(account, region)
            rows += _region(found, region, prices, notes)
            notes += [one for one in prices.causes if one not in notes]
        rows += _buckets(account, found, notes)
    return Bill(tuple(rows), CURRENCY, tuple(notes))


def of_inventory(inventory: Inventory) -> Bill:
    """Return what machines with a price in their inventory have cost since they were made."""
    since = moment(inventory.created_at)
    hours = _hours(since)
    rows = [
        Spent(
            "machine",
            node.name,
            f"{node.cpus:g} CPUs, {node.memory_bytes / GIB:.1f} GiB",
            since,
            node.hourly_price,
            None if node.hourly_price is None else node.hourly_price * hours,
            "the inventory",
            inventory.region,
        )
        for node in inventory.nodes
    ]
    currencies = {node.currency for node in inventory.nodes if node.currency}
    notes = [] if currencies else ["the inventory names no price of a machine"]
    return Bill(tuple(rows), "/".join(sorted(currencies)) or CURRENCY, tuple(notes))


def _region(found: Audit, region: str, prices: Prices, notes: list[str]) -> list[Spent]:
    pricing = {"instance": _instance, "volume": _volume, "address": _address}
    rows: list[Spent] = []
    for one in found.found:
        if one.region != region or one.kind not in pricing:
            continue
        try:
            rows += pricing[one.kind](one, prices)
        except TandemError as error:
            notes.append(error.problem)
            rows.append(Spent(one.kind, one.id, one.state, None, None, None, "unknown", region))
    return rows


def _instance(one: Found, prices: Prices) -> list[Spent]:
    detail = one.detail
    market = SPOT if detail.get("InstanceLifecycle") == "spot" else ON_DEMAND
    instance_type, since = detail["InstanceType"], moment(detail.get("LaunchTime"))
    price = prices.machine(instance_type, market)
    # A stopped machine costs its disk alone, and when it was stopped is not told.
    runs = one.state in ("running", "pending", "stopping")
    so_far, source = price.hourly * _hours(since), price.source
    if market == SPOT and since is not None:
        zone = detail.get("Placement", {}).get("AvailabilityZone", "")
        so_far, source = prices.spent_on_spot(instance_type, zone, since)
    what = f"{instance_type}, {market.replace('-', ' ')}, {one.state}"
    rows = [
        Spent(
            one.kind,
            one.id,
            what,
            since,
            price.hourly if runs else 0.0,
            so_far if runs else None,
            source,
            one.region,
        )
    ]
    if runs and detail.get("PublicIpAddress"):
        rows.append(_public(one, detail["PublicIpAddress"], since, prices))
    return rows


def _public(one: Found, address: str, since: datetime.datetime | None, prices: Prices) -> Spent:
    price = prices.address()
    what = f"public, of {one.id}"
    so_far = price.hourly * _hours(since)
    return Spent(
        "address", address, what, since, price.hourly, so_far, price.source, one.region
    )


def _volume(one: Found, prices: Prices) -> list[Spent]:
    size, since = float(one.detail["Size"]), moment(one.detail.get("CreateTime"))
    price = prices.disk(size)
    what = f"{size:g} GiB, {one.detail.get('VolumeType', '')}, {one.state}"
    so_far = price.hourly * _hours(since)
    return [
        Spent(one.kind, one.id, what, since, price.hourly, so_far, price.source, one.region)
    ]


def _address(one: Found, prices: Prices) -> list[Spent]:
    if one.detail.get("InstanceId"):
        return []  # counted with its machine
    price = prices.address()
    # AWS does not tell since when it is ours.
    what = f"{one.detail.get('PublicIp', '')}, not in use"
    return [Spent(one.kind, one.id, what, None, price.hourly, None, price.source, one.region)]


def _buckets(account: Account, found: Audit, notes: list[str]) -> list[Spent]:
    rows = []
    for one in found.found:
        if one.kind != "bucket":
            continue
        try:
            region, size, whole = _stored(account, one.id)
            price = Prices(account, region).stored(size / GIB)
        except TandemError as error:
            notes.append(error.problem)
            continue
        since = moment(one.detail.get("CreationDate"))
        what = f"{'' if whole else 'at least '}{size / GIB:.3f} GiB with all versions"
        rows.append(_spent(one.kind, one.id, what, since, price, region))
        notes.append(f"{one.id}: so far is as if all of it had lain there from the beginning")
    return rows


def _stored(account: Account, bucket: str) -> tuple[str, int, bool]:
    """Return the region of a bucket, the bytes in it, and whether all of it was counted."""
    client, size = account.client("s3"), 0
    with in_our_words(f"look into bucket {bucket}"):
        region = client.get_bucket_location(Bucket=bucket)["LocationConstraint"]
        pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for number, page in enumerate(pages):
            if number == MOST_PAGES:
                return region or "us-east-1", size, False
            size += sum(each["Size"] for each in page.get("Versions", ()))
    return region or "us-east-1", size, True


def _spent(
    kind: str,
    name: str,
    what: str,
    since: datetime.datetime | None,
    price: Price,
    region: str,
) -> Spent:
    so_far = price.hourly * _hours(since)
    return Spent(kind, name, what, since, price.hourly, so_far, price.source, region)


def _hours(since: datetime.datetime | None) -> float:
    if since is None:
        return 0.0
    return max(0.0, (datetime.datetime.now(datetime.UTC) - since).total_seconds() / 3600)
