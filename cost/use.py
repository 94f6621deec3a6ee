"""Which clusters of an account are somebody's at this moment, and no left-overs."""

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cost.found import Found, moment


@dataclass(frozen=True)
class Use:
    """Why a cluster is not to be removed just so: who else owns it, until when it may live.

    `until` is in ISO 8601; either may be empty.
    """

    owners: tuple[str, ...]
    until: str

    @property
    def elsewhere(self) -> bool:
        """Whether it is another's and its time goes on, so that it is nothing left behind."""
        return bool(self.owners and self.until)

    def words(self) -> str:
        """Return it in words."""
        whose = f"it is {', '.join(self.owners)}'s" if self.owners else ""
        return " and ".join(
            filter(None, (whose, f"its time goes on until {self.until}" if self.until else ""))
        )


def uses(
    found: Sequence[Found], owners: Collection[str], now: datetime.datetime
) -> dict[str, Use]:
    """Return the clusters that belong to none of `owners`, or whose time is not over at `now`.

    What has no owner and no end is nobody's.
    """
    known: dict[str, Use] = {}
    for cluster in sorted({one.cluster for one in found}):
        things = [one for one in found if one.cluster == cluster]
        others = {one.owner for one in things if one.owner and one.owner not in owners}
        ends = {one.expires_at for one in things if _after(one.expires_at, now)}
        if others or ends:
            known[cluster] = Use(tuple(sorted(others)), max(ends, default=""))
    return known


def _after(text: str, now: datetime.datetime) -> bool:
    try:
        end = moment(text) if text else None
    except ValueError:
        return False
    return end is not None and end > now
