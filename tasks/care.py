"""The verbs of `fab cluster` that care for machines: more time, and their results kept."""

import datetime
from pathlib import Path

from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import TandemError, UsageError
from contracts.files import single_writer, state_folder
from contracts.inventory import Inventory
from cost import lifetime
from cost.audit import audit
from infra import aws_settings, stack_file
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
    path = path_of(inventory)
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
        "results": "a folder of results that is kept with them, such as results/forest",
        "inventory": INVENTORY,
    }
)
def save(context: Context, results: str = "", inventory: str = "") -> Answer:
    """Keep logs and runs of every node in the cluster's bucket, before the machines go.

    `fab sweep.run` does so at its end by itself; a machine that ends itself does so last.
    """
    machines = inventories.load(path_of(inventory))
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
    return [*stack_words(_configure(wanted, values)), *_tags(wanted)]


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


def stack_words(stacks: list[str]) -> list[str]:
    """Return in words which stacks were changed."""
    if stacks:
        return [f"Written into Pulumi.{stack}.yaml, too." for stack in stacks]
    return ["No stack's configuration in this folder names this cluster; mend it by hand."]


def path_of(inventory: str) -> Path:
    """Return the inventory that is named, or else the state folder's."""
    return Path(inventory) if inventory else state_folder() / "inventory.json"
