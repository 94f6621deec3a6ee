"""`fab cost.audit`: whether anything is left in the account, and its removal."""

from typing import Any

from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import DONE, LEFTOVERS, PARTIAL, UsageError
from contracts.files import state_folder
from cost import audit as audits
from cost.account import Account
from cost.remove import remove
from infra import stack_file
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
    }
)
def audit(
    context: Context,
    cluster: str = "",
    regions: str = "",
    stack: str = "",
    delete: bool = False,
) -> Answer:
    """Look in every region for anything of a cluster that is left; 8 if something is.

    Looked for by tag: spot requests, instances, addresses, volumes, network interfaces,
    security groups, internet gateways, subnets, route tables, networks, key pairs, instance
    profiles, roles and buckets. What could not be looked at is told, and is not called clean.
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
    if delete and found.found:
        refused = remove(account, found.found, tell)
        removed = tuple(one for one in found.found if one not in refused)
        found = audits.audit(account, found.regions, cluster, tell)
    return _audited(found, number, removed, list(refused.values()))


def _audited(
    found: audits.Audit, number: str, removed: tuple[Any, ...], refused: list[str]
) -> Answer:
    document = {
        "account": number,
        "clean": found.clean,
        "regions": list(found.regions),
        "found": [one.document() for one in found.found],
        "removed": [one.document() for one in removed],
        "refused": refused,
        "unseen": found.unseen,
        "seconds": round(found.seconds, 3),
    }
    lines = [f"removed {one.kind} {one.id} ({one.region})" for one in removed]
    lines += [
        f"LEFT {one.kind:<18} {one.id:<26} {one.region:<14} cluster {one.cluster} "
        f"owner {one.owner or '-'} {one.state}"
        for one in found.found
    ]
    lines += [f"NOT SEEN {what}: {why}" for what, why in found.unseen.items()]
    lines += refused
    regions = f"{len(found.regions)} regions" if found.regions[1:] else found.regions[0]
    where = f"{named(number)}, {regions} in {found.seconds:.1f} s"
    if found.clean:
        return Answer(document, "\n".join([*lines, f"Clean: nothing is left ({where})."]))
    if found.found:
        names = sorted({one.cluster for one in found.found})
        advice = "; ".join(f"fab cost.audit --cluster {name} --delete" for name in names)
        lines.append(f"{len(found.found)} things are left ({where}).")
        lines.append(f"Next: pulumi destroy where the stack is known, else {advice}")
        return Answer(document, "\n".join(lines), LEFTOVERS)
    lines.append(
        f"Nothing was found, and {len(found.unseen)} places could not be looked at ({where})."
    )
    lines.append("Next: mend what is named above, then the same command again")
    return Answer(document, "\n".join(lines), PARTIAL if found.unseen else DONE)


def named(account: str) -> str:
    """Return an account's number in words."""
    return f"account {account or 'unknown'}"
