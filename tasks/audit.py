"""`fab cost.audit`: whether anything is left in the account, and its removal."""

import datetime
import getpass
from typing import Any

from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import LEFTOVERS, PARTIAL, RefusedError, UsageError
from contracts.files import state_folder
from cost import audit as audits
from cost.account import Account
from cost.remove import remove
from cost.use import Use, uses
from infra import stack_file
from infra.aws_rules import clean_owner
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

    Looked for by tag: spot requests, instances, addresses, volumes, network interfaces,
    security groups, internet gateways, subnets, route tables, networks, key pairs, instance
    profiles, roles and buckets. Images of fab image.bake are named, too, and are not called
    left: they are kept on purpose. What could not be looked at is told, and is not called
    clean.
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
    account = Account(profile=stack_file.profile(cluster or None, stack))
    number, tell = account.number(), Progress()
    found = audits.audit(account, listed(regions) or None, cluster or None, tell)
    refused: dict[Any, str] = {}
    removed: tuple[Any, ...] = ()
    used = uses(found.found, _owners(), datetime.datetime.now(datetime.UTC))
    if delete and used and not in_use:
        raise RefusedError(
            f"Cluster {cluster!r} is not removed: {used[cluster].words()}.",
            next_step="pulumi destroy where its stack is known; otherwise the same command "
            "with --in-use",
        )
    if delete and found.found:
        refused = remove(account, found.found, tell)
        removed = tuple(one for one in found.found if one not in refused)
        found = audits.audit(account, found.regions, cluster, tell)
    elsewhere = [] if cluster else [name for name, use in used.items() if use.elsewhere]
    return _audited(found, number, removed, list(refused.values()), used, elsewhere)


def _audited(
    found: audits.Audit,
    number: str,
    removed: tuple[Any, ...],
    refused: list[str],
    used: dict[str, Use],
    elsewhere: list[str],
) -> Answer:
    left = [one for one in found.found if one.cluster not in elsewhere]
    document = {
        "account": number,
        "clean": not left and not found.unseen,
        "regions": list(found.regions),
        "found": [one.document() for one in found.found],
        "removed": [one.document() for one in removed],
        "refused": refused,
        "in_use": {name: use.words() for name, use in used.items()},
        "unseen": found.unseen,
        "kept": [{**vars(one), "kind": one.kind} for one in found.kept],
        "seconds": round(found.seconds, 3),
    }
    lines = [f"removed {one.kind} {one.id} ({one.region})" for one in removed]
    lines += [
        f"LEFT {one.kind:<18} {one.id:<26} {one.region:<14} cluster {one.cluster} "
        f"owner {one.owner or '-'} {one.state}"
        for one in left
    ]
    lines += [
        f"IN USE {sum(one.cluster == name for one in found.found)} things of cluster {name}: "
        f"{used[name].words()}"
        for name in elsewhere
    ]
    lines += [
        f"KEPT {one.kind:<18} {one.id:<26} {one.region:<14} environment {one.environment}: it "
        "costs what its snapshots take, until fab image.remove"
        for one in found.kept
    ]
    lines += [f"NOT SEEN {what}: {why}" for what, why in found.unseen.items()]
    lines += refused
    regions = f"{len(found.regions)} regions" if found.regions[1:] else found.regions[0]
    where = f"{named(number)}, {regions} in {found.seconds:.1f} s"
    if left:
        lines.append(f"{len(left)} things are left ({where}).")
        lines.append(f"Next: {_advice(sorted({one.cluster for one in left}), used)}")
        return Answer(document, "\n".join(lines), LEFTOVERS)
    if not found.unseen:
        return Answer(document, "\n".join([*lines, f"Clean: nothing is left ({where})."]))
    lines.append(
        f"Nothing was found, and {len(found.unseen)} places could not be looked at ({where})."
    )
    lines.append("Next: mend what is named above, then the same command again")
    return Answer(document, "\n".join(lines), PARTIAL)


def _advice(clusters: list[str], used: dict[str, Use]) -> str:
    """Return what to do about clusters; nothing that removes one which is in use."""
    free = [name for name in clusters if name not in used]
    commands = "; ".join(f"fab cost.audit --cluster {name} --delete" for name in free)
    first = ["pulumi destroy where the stack is known" + (f", else {commands}" if free else "")]
    taken = [f"{name}: {used[name].words()}" for name in clusters if name in used]
    return ". ".join([*first, *taken])


def _owners() -> set[str]:
    """Return the names of whoever asks: those of the stacks here, and the login."""
    stacks = map(stack_file.read, stack_file.of_cluster(None))
    named = {known.get("tandem:owner", "") for known in stacks}
    return {one for one in named if one} | {clean_owner(getpass.getuser())}


def named(account: str) -> str:
    """Return an account's number in words."""
    return f"account {account or 'unknown'}"
