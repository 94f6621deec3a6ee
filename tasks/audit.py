"""`fab cost.audit`: whether anything is left in the account, and its removal."""

import contextlib
import datetime
import getpass
from dataclasses import dataclass

from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import PARTIAL, RefusedError, TandemError, UsageError
from contracts.files import state_folder
from cost import audit as audits
from cost.account import Account
from cost.found import Found
from cost.remove import remove
from cost.use import uses
from infra import stack_file
from infra.cloud_rules import clean_owner
from tasks.cost_words import Place, audited, named, of_all
from tasks.progress import Progress
from tasks.verb import Answer, listed, verb

REGIONS = "look only there, such as eu-north-1,us-east-1; by default in every enabled region"
WHOSE = "the stack whose account is meant; by default that of the cluster, or the only one"


@verb(
    help={
        "cluster": "only this cluster; by default everything that Tandem ever tagged",
        "regions": REGIONS,
        "stack": WHOSE,
        "delete": "remove what is found; needs --cluster",
        "in-use": "remove it although its time is not over, or it is another owner's",
    }
)
def audit(
    context: Context,
    cluster: str = "",
    regions: str = "",
    stack: str = "",
    delete: bool = False,
    in_use: bool = False,
) -> Answer:
    """Look in every region for anything of a cluster that is left; 8 if something is.

    Another owner's cluster whose time goes on is told, and is not called left unless it is
    the one that was asked for.

    Looked for by tag on AWS: spot requests, instances, addresses, volumes, network interfaces,
    security groups, internet gateways, subnets, route tables, networks, key pairs, instance
    profiles, roles and buckets. On OpenStack by metadata: servers, volumes, addresses, ports,
    routers, networks, security groups, key pairs, containers and credentials. Images of
    fab image.bake are named, too, and are not called left: they are kept on purpose. What could
    not be looked at is told, and is not called clean.
    """
    if delete and not cluster:
        raise UsageError(
            "--delete needs the name of the cluster that is to be removed.",
            next_step="fab cost.audit lists what there is; then --cluster NAME --delete",
        )
    path = state_folder() / "inventory.json"
    if delete and path.exists() and inventories.load(path).cluster_id == cluster:
        raise UsageError(
            f"Cluster {cluster!r} is the one of this state folder, and Pulumi knows of it.",
            next_step="pulumi destroy, which removes it and what is written of it here",
        )
    stacks = _stacks(cluster, stack)
    if stacks[1:] and regions:
        raise UsageError(
            f"Which cloud has these regions? Cluster {cluster!r} has stacks on both: "
            f"{', '.join(stacks)}.",
            next_step=f"--stack {stacks[0]}, or the other one",
        )
    wanted = Wanted(cluster or None, tuple(listed(regions)), _owners(), delete, in_use)
    with contextlib.ExitStack() as links:
        if not stacks[1:]:
            return _looked(_place(cluster, stacks[0], links), wanted, stack)
        answers = {one: _tried(cluster, one, wanted, links) for one in stacks}
    return of_all(answers)


@dataclass(frozen=True)
class Wanted:
    """What is asked of an audit; no regions mean all that there are."""

    cluster: str | None
    regions: tuple[str, ...]
    owners: set[str]
    delete: bool
    in_use: bool


def _looked(place: Place, wanted: Wanted, stack: str) -> Answer:
    """Look in one account or project, and remove there what is to be removed."""
    found = place.look(wanted.regions or None, wanted.cluster)
    refused: dict[Found, str] = {}
    removed: tuple[Found, ...] = ()
    used = uses(found.found, wanted.owners, datetime.datetime.now(datetime.UTC))
    if wanted.delete and wanted.cluster and used and not wanted.in_use:
        raise RefusedError(
            f"Cluster {wanted.cluster!r} is not removed: {used[wanted.cluster].words()}.",
            next_step="pulumi destroy where its stack is known; otherwise the same command "
            "with --in-use",
        )
    if wanted.delete and found.found:
        refused = place.remove(found.found)
        removed = tuple(one for one in found.found if one not in refused)
        found = place.look(found.regions, wanted.cluster)
    elsewhere = [] if wanted.cluster else [name for name, use in used.items() if use.elsewhere]
    return audited(place, found, removed, list(refused.values()), used, elsewhere, stack)


def _tried(cluster: str, stack: str, wanted: Wanted, links: contextlib.ExitStack) -> Answer:
    """Look where one of several stacks has its machines; what cannot be asked is told."""
    try:
        return _looked(_place(cluster, stack, links), wanted, stack)
    except TandemError as error:
        words = " ".join(filter(None, (error.problem, error.cause)))
        document = {"clean": False, "unseen": {stack: words}, "next_step": error.next_step}
        next_step = f"\nNext: {error.next_step}" if error.next_step else ""
        return Answer(document, f"NOT SEEN {words}{next_step}", PARTIAL)


def _place(cluster: str, stack: str, links: contextlib.ExitStack) -> Place:
    """Return where a stack, or else the stacks of a cluster on AWS, have their machines."""
    if stack_file.provider(stack) == "openstack":
        from tasks import cost_openstack  # its SDK takes a second to import

        return cost_openstack.place(stack, links)
    account, tell = Account(profile=stack_file.profile(cluster or None, stack)), Progress()
    number = account.number()
    return Place(
        number,
        named(number),
        lambda regions, name: audits.audit(account, regions, name, tell),
        lambda found: remove(account, found, tell),
    )


def _stacks(cluster: str, stack: str) -> list[str]:
    """Return one stack for each cloud that is meant; an empty name if AWS is, without one."""
    if stack or not cluster:
        return [stack]
    on_aws = stack_file.of_cluster(cluster, provider="aws")
    there = stack_file.of_cluster(cluster, provider="openstack")
    if there[1:]:
        raise UsageError(
            f"Which project is meant? Several stacks have cluster {cluster!r}: "
            f"{', '.join([*on_aws, *there])}.",
            next_step=f"--stack {there[0]}, or another of them",
        )
    if on_aws and there:
        return [on_aws[0], *there]
    return there or [""]


def _owners() -> set[str]:
    """Return the names of whoever asks: those of the stacks here, and the login."""
    stacks = map(stack_file.read, stack_file.of_cluster(None))
    named = {known.get("tandem:owner", "") for known in stacks}
    return {one for one in named if one} | {clean_owner(getpass.getuser())}
