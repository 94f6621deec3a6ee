"""What `fab cost.*` has to say, in words and as objects for `--json`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import DONE, LEFTOVERS, PARTIAL
from cost.audit import Audit
from cost.estimate import Estimate
from cost.found import Found
from cost.use import Use
from tasks.verb import Answer


@dataclass(frozen=True)
class Place:
    """An account on AWS or a project on OpenStack: its number, its name, how it is searched.

    `look` takes regions (None means all that there are) and a cluster (None means any);
    `remove` returns what would not go, with the reason.
    """

    number: str
    words: str
    look: Callable[[Sequence[str] | None, str | None], Audit]
    remove: Callable[[Sequence[Found]], dict[Found, str]]


def audited(
    place: Place,
    found: Audit,
    removed: tuple[Found, ...],
    refused: list[str],
    used: dict[str, Use],
    elsewhere: list[str],
    stack: str = "",
) -> Answer:
    """Return what an audit found and removed; `stack` is named in the advice, if any.

    `used` says which clusters are somebody's, and what is of those in `elsewhere` is not left.
    """
    left = [one for one in found.found if one.cluster not in elsewhere]
    document = {
        "account": place.number,
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
    where = f"{place.words}, {regions} in {found.seconds:.1f} s"
    if left:
        lines.append(f"{len(left)} things are left ({where}).")
        lines.append(f"Next: {_advice(sorted({one.cluster for one in left}), used, stack)}")
        return Answer(document, "\n".join(lines), LEFTOVERS)
    if not found.unseen:
        return Answer(document, "\n".join([*lines, f"Clean: nothing is left ({where})."]))
    lines.append(
        f"Nothing was found, and {len(found.unseen)} places could not be looked at ({where})."
    )
    lines.append("Next: mend what is named above, then the same command again")
    return Answer(document, "\n".join(lines), PARTIAL)


def of_all(answers: Mapping[str, Answer]) -> Answer:
    """Return what the audits of several stacks say; the worst outcome is that of all."""
    document = {
        "clean": all(one.document["clean"] for one in answers.values()),
        "stacks": {stack: one.document for stack, one in answers.items()},
    }
    lines = [f"Stack {stack}:\n{one.text}" for stack, one in answers.items()]
    codes = {one.exit_code for one in answers.values()}
    code = next((one for one in (LEFTOVERS, PARTIAL) if one in codes), DONE)
    return Answer(document, "\n".join(lines), code)


def _advice(clusters: list[str], used: dict[str, Use], stack: str) -> str:
    """Return what to do about clusters; nothing that removes one which is in use."""
    free = [name for name in clusters if name not in used]
    audit = f"fab cost.audit --stack {stack}" if stack else "fab cost.audit"
    commands = "; ".join(f"{audit} --cluster {name} --delete" for name in free)
    first = ["pulumi destroy where the stack is known" + (f", else {commands}" if free else "")]
    taken = [f"{name}: {used[name].words()}" for name in clusters if name in used]
    return ". ".join([*first, *taken])


def named(account: str) -> str:
    """Return an account's number in words."""
    return f"account {account or 'unknown'}"


def estimate_lines(found: Estimate, region: str) -> list[str]:
    """Return an estimate as a table with its sum."""
    lines = [
        f"{line.count:>3} x {line.what:<44} {line.hourly:>9.4f}/h {line.total_hourly:>9.4f}/h "
        f" ({line.source})"
        for line in found.lines
    ]
    lines.append(
        f"In {region}: {found.hourly:.4f} {found.currency} an hour, "
        f"{found.total:.2f} {found.currency} for "
        f"{found.hours:g} hours, without storage in the bucket, traffic and tax."
    )
    return lines + [f"Not from AWS, because: {cause}" for cause in found.causes]
