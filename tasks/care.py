"""The verbs of `fab cluster` that care for machines: more time, and who may reach them."""

import datetime
from pathlib import Path

from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import TandemError, UsageError
from contracts.files import single_writer, state_folder
from contracts.inventory import Inventory
from cost import lifetime
from cost.account import in_our_words
from cost.audit import audit
from infra import aws_access, aws_settings, operator_address, stack_file
from provision import guard, store
from provision.bringup import PURPOSE
from provision.links import Links
from tasks.account import account_of, prices_of
from tasks.progress import Progress
from tasks.verb import Answer, verb

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
INVENTORY = "a file with your own machines, in place of the state folder's"


@verb(
    help={
        "hours": "how many hours the machines shall live from now on, at least",
        "budget": "a new budget for their whole life, in place of the one they have",
        "inventory": INVENTORY,
    }
)
def extend(context: Context, hours: str, budget: str = "", inventory: str = "") -> Answer:
    """Give the machines more time: on the nodes, in the inventory, the stack and the tags.

    A budget is kept: more time than it pays for is refused with 4, unless --budget raises it.
    """
    path = _path(inventory)
    with single_writer(state_folder() / "cluster.lock", purpose=PURPOSE):
        machines = inventories.load(path)
        now = datetime.datetime.now(datetime.UTC)
        money = number(budget, "--budget") if budget else None
        prices = prices_of(machines) if money or machines.budget is not None else None
        wanted = lifetime.extended(machines, number(hours, "--hours"), money, now, prices)
        if wanted == machines:
            words = f"Nothing to change: the machines end themselves at {machines.expires_at}."
            return Answer({"changed": False, "expires_at": machines.expires_at}, words)
        notes = give(wanted, path)
    words = (
        f"The machines end themselves at {wanted.expires_at}; before: {machines.expires_at}."
    )
    document = {"changed": True, "expires_at": wanted.expires_at, "notes": notes}
    return Answer(document, "\n".join([words, *notes]))


@verb(
    help={
        "address": "the address or block to let in; by default this computer's own",
        "instead-of": "whose place it takes; by default the only single address that there is",
        "inventory": INVENTORY,
    }
)
def allow(
    context: Context, address: str = "", instead_of: str = "", inventory: str = ""
) -> Answer:
    """Let this computer reach the machines over SSH after its address changed.

    The rule of its former address is changed in place, and the stack's configuration with it,
    so that the next `pulumi up` agrees. Whoever else may reach them still may.
    """
    machines = inventories.load(_path(inventory))
    if machines.provider == "openstack":
        # A rule of neutron cannot be changed in place, so the stack has to know of another.
        raise UsageError(
            "Who may reach machines on OpenStack is changed by the stack itself.",
            next_step="pulumi config set operator-cidrs ADDRESS/32, this computer's own, "
            "then pulumi up",
        )
    if machines.provider != "aws" or machines.security_group_id is None:
        raise UsageError(
            f"The machines of {machines.cluster_id!r} have no security group of ours.",
            cause=f"Their provider is {machines.provider!r}.",
            next_step="open SSH to this computer where those machines are kept",
        )
    stacks = stack_file.of_cluster(machines.cluster_id, provider="aws")
    known: dict[str, str] = {}
    for stack in stacks:
        known |= stack_file.read(stack)
    url = known.get("tandem:address-url") or str(aws_settings.DEFAULTS["address-url"])
    wide = known.get("tandem:allow-open-ssh") == "true"
    block = aws_access.as_block(address or operator_address.find(url), wide=wide)
    former = aws_access.as_block(instead_of, wide=True) if instead_of else None
    client = account_of(machines).client("ec2")
    with in_our_words("change who may reach SSH"):
        found = aws_access.allow(client, machines.security_group_id, block, former)
    written = [stack for stack in stacks if _let_in(stack, found)]
    document = {
        "changed": found.changed,
        "before": list(found.before),
        "after": list(found.after),
        "stacks": stacks,
    }
    also = _stack_words(written) if written or not stacks else []
    if not found.changed:
        words = f"Nothing to change: {block} may reach SSH ({', '.join(found.before)})."
        return Answer(document, "\n".join([words, *also] if written else [words]))
    before = ", ".join(found.before) or "nobody"
    return Answer(document, "\n".join([f"{block} may reach SSH; before: {before}.", *also]))


def _let_in(stack: str, found: aws_access.Allowed) -> bool:
    """Write into a stack who may reach SSH; return whether that changed it."""
    known = stack_file.read(stack).get("tandem:operator-cidrs", "")
    wanted = found.configured(known)
    return wanted != known and stack_file.write(stack, "tandem:operator-cidrs", wanted)


@verb(
    help={
        "results": "a folder of results that is kept with them, such as results/forest",
        "inventory": INVENTORY,
    }
)
def save(context: Context, results: str = "", inventory: str = "") -> Answer:
    """Keep logs and runs of every node in the cluster's bucket, before the machines go.

    `fab sweep.run` does so at its end by itself; a machine that ends itself does so last.
    """
    machines = inventories.load(_path(inventory))
    folder = Path(results) if results else None
    if folder is not None and not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", next_step="--results results/forest")
    keys = keep(machines, folder)
    words = [f"s3://{machines.bucket}/{key}" for key in keys]
    return Answer({"bucket": machines.bucket, "keys": keys}, "\n".join(words))


def keep(machines: Inventory, folder: Path | None) -> list[str]:
    """Put what the nodes wrote, and a folder of results, into the bucket; return the keys.

    Every node is tried; one error carries all outcomes.
    """
    tell = Progress()
    with Links(machines) as links:
        pythons = store.pythons(links, machines, LOCK, tell)
        outcomes = store.save(links, machines, pythons, folder, tell)
    return [one["key"] for done in outcomes.values().values() for one in done]


def kept_words(machines: Inventory, folder: Path) -> str:
    """Keep what there is where there is a bucket, and say how that went; nothing is raised.

    What is measured stays measured, whether or not a copy of it lies elsewhere, too.
    """
    if machines.bucket is None:
        return ""
    try:
        keys = keep(machines, folder)
    except TandemError as error:
        words = str(error).replace("\n", "\n  ")
        return f"\nNot kept in the bucket: {words}\n  then: fab cluster.save --results {folder}"
    return f"\nKept in s3://{machines.bucket}, {len(keys)} objects"


def give(wanted: Inventory, path: Path) -> list[str]:
    """Make the end of an inventory hold: nodes first, then file, stack and tags.

    Returns what else there is to know. Raises what kept a node from it, after all the rest.
    """
    tell = Progress()
    with Links(wanted) as links:
        names = [node.name for node in wanted.nodes]
        outcomes = guard.apply(links, wanted, names, tell)
    if outcomes.done:
        inventories.dump(wanted, path)
    else:
        outcomes.values()
    notes = _tell_account(wanted)
    outcomes.values()
    return notes


def budgeted(machines: Inventory, budget: float, path: Path) -> tuple[Inventory, list[str]]:
    """Return an inventory that ends when its budget is spent, and what else there is to know.

    Where that changed it, it is written into the file, the stack and the tags; the nodes are
    told by the bring-up that follows.
    """
    prices, now = prices_of(machines), datetime.datetime.now(datetime.UTC)
    wanted = lifetime.within_budget(machines, budget, now, prices)
    if wanted == machines:
        return machines, []
    inventories.dump(wanted, path)
    hourly = lifetime.hourly(wanted, prices)
    words = f"At {hourly:.4f} an hour a budget of {budget:g} allows until {wanted.expires_at}."
    causes = [f"Prices are not AWS's own, because: {one}" for one in prices.causes]
    return wanted, [words, *causes, *_tell_account(wanted)]


def number(text: str, option: str) -> float:
    """Return what was typed for an option as a number above 0; UsageError if it is none."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < 1e6:
        raise UsageError(
            f"{option} must be a number above 0, not {text!r}.", next_step=f"{option} 2"
        )
    return found


def _tell_account(wanted: Inventory) -> list[str]:
    """Write the limits of an inventory into stack and tags; return what there is to know."""
    if wanted.provider not in stack_file.CLOUDS:
        return []
    # In full, so that the next `up` finds the same second; and not less than a stack may have.
    hours = max(wanted.ttl_hours or 0.0, aws_settings.LEAST_TTL_HOURS)
    values = {"tandem:ttl-hours": str(hours).removesuffix(".0")}
    if wanted.budget is not None:
        values["tandem:budget"] = str(wanted.budget).removesuffix(".0")
    return [*_stack_words(_configure(wanted, values)), *_tags(wanted)]


def _tags(wanted: Inventory) -> list[str]:
    """Write the new end into the tags; without an account that is told and no failure."""
    if wanted.provider == "openstack":
        return ["The marks in the cloud have the old end until the next pulumi up."]
    try:
        account = account_of(wanted)
        found = audit(account, [wanted.region], wanted.cluster_id).found
        lifetime.retag(account, found, str(wanted.expires_at))
    except TandemError as error:
        return [f"The tags in the account still have the old end: {error.problem}"]
    return []


def _configure(machines: Inventory, values: dict[str, str]) -> list[str]:
    """Write values into the stacks of a cluster; return the stacks."""
    stacks = stack_file.of_cluster(machines.cluster_id, provider=machines.provider)
    for stack in stacks:
        for key, value in values.items():
            stack_file.write(stack, key, value)
    return stacks


def _stack_words(stacks: list[str]) -> list[str]:
    if stacks:
        return [f"Written into Pulumi.{stack}.yaml, too." for stack in stacks]
    return ["No stack's configuration in this folder names this cluster; mend it by hand."]


def _path(inventory: str) -> Path:
    return Path(inventory) if inventory else state_folder() / "inventory.json"
