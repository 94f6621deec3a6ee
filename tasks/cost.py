"""`fab cost.*`: what machines would cost, what they cost now, and whether anything is left."""

import contextlib
import datetime
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import TandemError, UsageError
from contracts.files import state_folder
from contracts.inventory import Inventory
from cost import show as bills
from cost.account import Account
from cost.estimate import Shape, estimate, hours_within
from cost.prices import Prices
from infra import aws_settings, stack_file
from tasks import audit as audits
from tasks.audit import WHOSE
from tasks.cost_words import estimate_lines, named
from tasks.progress import Progress
from tasks.verb import Answer, listed, verb, whole_number

STACK = "the stack whose configuration gives what is not typed"


@verb(
    help={
        "nodes": "how many machines, the head among them",
        "type": "the instance type of every machine, such as t3.medium",
        "head_type": "another type for the head",
        "workers": "on-demand or spot; the head is always on demand",
        "disk": "GiB of disk of each machine",
        "hours": "for how long; by default the stack's ttl-hours",
        "region": "where; by default the stack's",
        "price": "dollars for a machine and hour, where AWS is not to be asked",
        "budget": "say for how many hours so many dollars last",
        "stack": STACK,
        "offline": "ask nobody: only the bundled table",
    }
)
def estimate_(
    context: Context,
    nodes: str = "",
    type: str = "",
    head_type: str = "",
    workers: str = "",
    disk: str = "",
    hours: str = "",
    region: str = "",
    price: str = "",
    budget: str = "",
    stack: str = "aws",
    offline: bool = False,
) -> Answer:
    """Show what a cluster would cost before there is one: machines, disks, addresses, hours.

    Prices come from AWS's price API and spot price history; where those do not answer, from
    a table that comes along, and the answer names it and its day. For a stack on OpenStack
    prices come from its own table of coins, and types are flavors.
    """
    known = stack_file.read(stack)
    if known.get("tandem:provider") == "openstack":
        others = {"--workers": workers, "--disk": disk, "--region": region, "--price": price}
        known = _typed(known, nodes, type, head_type, others)
        return _in_coins(known, hours, budget)
    where = region or known.get("aws:region", "")
    shape = _shape(known, nodes, type, head_type, workers, disk, hours, price)
    account = None if offline else _account(where, known.get("aws:profile"))
    if not where:
        where = account.region if account else "eu-north-1"
    found = estimate(shape, Prices(account, where))
    document = {"region": where, "nodes": shape.nodes, **found.document()}
    lines = estimate_lines(found, where)
    wish = budget or known.get("tandem:budget", "")
    if wish:
        lasts = hours_within(_amount(wish, "--budget"), found.hourly)
        document["budget_hours"] = round(lasts, 3)
        lines.append(f"A budget of {wish} USD lasts {lasts:.1f} hours.")
    return Answer(document, "\n".join(lines))


@verb(
    help={
        "cluster": "only this cluster; by default the inventory's, or all",
        "regions": "where to look; by default where the inventory or the stack says",
        "stack": WHOSE,
        "inventory": "a file with your own machines, in place of the state folder's",
    }
)
def show(
    context: Context,
    cluster: str = "",
    regions: str = "",
    stack: str = "",
    inventory: str = "",
) -> Answer:
    """Show what runs now and what it has cost so far: machines, disks, addresses, bucket.

    Machines that are not in a cloud cost what their inventory says.
    """
    if stack_file.provider(stack) == "openstack":
        raise UsageError(
            "Nobody on OpenStack tells what runs there and what that costs.",
            next_step="fab cost.show without --stack, which reads the inventory; or "
            f"fab cost.audit --stack {stack}",
        )
    machines = None if stack else _machines(inventory)
    place: dict[str, Any] = {}
    if machines is not None and machines.provider != "aws" and not regions:
        bill = bills.of_inventory(machines)
    else:
        name = cluster or (machines.cluster_id if machines else None)
        where = listed(regions) or ([machines.region] if machines else [])
        where = where or stack_file.regions(name, stack)
        profile = stack_file.profile(name, stack)
        account = Account(where[0] if where else None, profile=profile)
        place = {"account": account.number(), "regions": where or [account.region]}
        bill = bills.of_account(account, place["regions"], name, Progress())
    lines = [
        f"{row.kind:<10} {row.id:<22} {row.what:<40} {_money(row.hourly):>9}/h "
        f"{_money(row.so_far):>9} so far  ({row.source})"
        for row in bill.rows
    ]
    total = f"{bill.hourly:.4f} {bill.currency} an hour, {bill.so_far:.4f} so far"
    seen = f"in {', '.join(place['regions'])}, {named(place['account'])}" if place else "here"
    words = [*lines, f"{total} ({seen})." if lines else f"Nothing runs {seen}."]
    document = {**bill.document(), **place}
    return Answer(document, "\n".join([*words, *_ends(machines), *bill.notes]))


def _typed(
    known: dict[str, str], nodes: str, flavor: str, head: str, others: dict[str, str]
) -> dict[str, str]:
    """Return the configuration of a stack on OpenStack with what was typed in its place."""
    alien = [option for option, value in others.items() if value]
    if alien:
        raise UsageError(
            f"{', '.join(alien)} means nothing for a stack on OpenStack.",
            next_step="--nodes, --type, --head-type or --hours; the rest is the stack's own",
        )
    typed = {
        "tandem:nodes": nodes,
        "tandem:head-flavor": head or flavor,
        "tandem:worker-flavors": flavor,
    }
    return {**known, **{name: value for name, value in typed.items() if value}}


def _in_coins(known: dict[str, str], hours: str, budget: str) -> Answer:
    from tasks import cost_openstack  # its SDK takes a second to import

    wanted = _amount(hours, "--hours") if hours else None
    found, stays = cost_openstack.estimate(known, wanted)
    lines = estimate_lines(found, known.get("openstack:region") or "the cloud")
    document = {**found.document(), "stays": stays}
    wish = budget or known.get("tandem:budget", "")
    if wish:
        lasts = hours_within(_amount(wish, "--budget"), found.hourly)
        document["budget_hours"] = round(lasts, 3)
        lines.append(f"A budget of {wish} coins lasts {lasts:.1f} hours.")
    return Answer(document, "\n".join([*lines, stays]))


def _shape(
    known: dict[str, str],
    nodes: str,
    type: str,
    head_type: str,
    workers: str,
    disk: str,
    hours: str,
    price: str,
) -> Shape:
    count = whole_number(nodes or _setting(known, "nodes"), "--nodes")
    head = head_type or type or _setting(known, "head-type")
    others = [type] if type else listed(_setting(known, "worker-types"))
    if len(others) not in (1, count - 1):
        raise UsageError(
            f"There are {len(others)} worker types for {count - 1} workers.",
            next_step="--type T gives every machine the same",
        )
    market = workers or _setting(known, "workers")
    if market not in ("on-demand", "spot"):
        raise UsageError(
            f"--workers must be on-demand or spot, not {market!r}.",
            next_step="--workers spot",
        )
    return Shape(
        head_type=head,
        worker_types=tuple(others * (count - 1) if len(others) == 1 else others),
        workers=market,
        disk_gib=_amount(disk or _setting(known, "disk-gib"), "--disk"),
        hours=_amount(hours or _setting(known, "ttl-hours"), "--hours"),
        machine_price=_amount(price, "--price") if price else None,
    )


def _setting(known: dict[str, str], name: str) -> str:
    """Return a value of the stack, or the one that it has where it sets none."""
    return known.get(f"tandem:{name}", str(aws_settings.DEFAULTS[name]))


def _amount(text: str, option: str) -> float:
    with contextlib.suppress(ValueError):
        number = float(text)
        if 0 <= number < 1e9:
            return number
    raise UsageError(
        f"{option} must be a number from 0, not {text!r}.", next_step=f"{option} 2"
    )


def _account(region: str, profile: str | None) -> Account | None:
    try:
        # A guess from the bundled table now is better than AWS's own price in a minute.
        return Account(region or None, profile=profile, attempts=2)
    except TandemError:
        return None


def _machines(path: str) -> Inventory | None:
    """Return the inventory that is named, or the state folder's if there is one."""
    default = state_folder() / "inventory.json"
    if not path and not default.exists():
        return None
    return inventories.load(Path(path) if path else default)


def _ends(machines: Inventory | None) -> list[str]:
    if machines is None or machines.expires_at is None:
        return []
    left = datetime.datetime.fromisoformat(machines.expires_at) - datetime.datetime.now(
        datetime.UTC
    )
    hours = left.total_seconds() / 3600
    return [f"The machines end themselves in {hours:.1f} hours, at {machines.expires_at}."]


def _money(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


collection = Collection("cost", show, audits.audit)
collection.add_task(estimate_, name="estimate")
