"""Machines that ended themselves are made again when somebody says so, and not by chance."""

import datetime
from collections.abc import Iterable

from contracts.errors import RefusedError
from contracts.inventory import Inventory

# A machine in any other state costs, but is of no use without a person.
AWAKE = ("ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT", "RESIZE", "VERIFY_RESIZE", "MIGRATING")


def ended(before: Inventory, awake: Iterable[str], now: datetime.datetime) -> str:
    """Return why the machines of an inventory are over; an empty text if they are not.

    `awake` are the ids of the machines that the cloud has and that run. One that is missing
    among others is drift, which `up` mends; none at all is an end.
    """
    if before.expires_at and datetime.datetime.fromisoformat(before.expires_at) <= now:
        return f"their time was up at {before.expires_at}"
    if not {node.instance_id for node in before.nodes} & set(awake):
        return "none of them runs any more: nobody used them, or they were deleted"
    return ""


def refuse_silent(
    before: Inventory | None,
    awake: Iterable[str],
    renew: int | None,
    now: datetime.datetime,
) -> None:
    """Refuse to make machines again that ended, unless this very end was acknowledged.

    Raises
    ------
    RefusedError
        With both ways on: take the rest away, or make the machines anew.
    """
    if before is None or before.generation == renew:
        return
    reason = ended(before, awake, now)
    if reason:
        raise RefusedError(
            f"The machines of {before.cluster_id!r} ended: {reason}.",
            cause="Address, router, network, container and volumes of yours are still there "
            "and may cost; the machines do not.",
            next_step="pulumi destroy takes the rest away; pulumi config set renew "
            f"{before.generation} and the same command again makes the machines anew",
        )
