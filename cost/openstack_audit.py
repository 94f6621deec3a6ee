"""Is anything left in a project on OpenStack? Every region, kind by kind; gaps are told."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from contracts.errors import TandemError, UsageError
from contracts.progress import Event, Tell, tell_nobody
from cost.audit import DEADLINE_SECONDS, Audit
from cost.found import Found
from cost.openstack_found import KINDS, ONCE, find

InOurWords = Callable[[str], AbstractContextManager[None]]
_ORDER = {kind: index for index, kind in enumerate(KINDS)}


def regions(link: Any) -> tuple[str, ...]:
    """Return the regions in which the project may have machines."""
    catalog = link.session.auth.get_access(link.session).service_catalog
    found = catalog.get_endpoints(service_type="compute", interface="public")
    return tuple(sorted({one["region_id"] for each in found.values() for one in each}))


def audit(
    links: Mapping[str, Any],
    cluster: str | None,
    in_our_words: InOurWords,
    tell: Tell = tell_nobody,
    *,
    seconds: float = DEADLINE_SECONDS,
) -> Audit:
    """Look for everything that is marked as a cluster's, in the regions of `links`.

    `in_our_words` turns a refusal of the cloud into an error of ours. S3 keys carry no mark and
    are not looked for; they cost nothing.

    Raises
    ------
    UsageError
        If nobody is logged in; other refusals are told in `unseen`.
    """
    begin, found, unseen = time.monotonic(), list[Found](), dict[str, str]()
    work = [
        (region, kind)
        for place, region in enumerate(links)
        for kind in KINDS
        if kind not in ONCE or place == 0
    ]
    tell(Event("account", "audit", "started"))
    for done, (region, kind) in enumerate(work):
        name = f"{kind}s in {region}"
        if time.monotonic() - begin > seconds:
            unseen[name] = f"not reached within {seconds:.0f} s"
            continue
        try:
            with in_our_words(f"look for {name}"):
                found += find(links[region], kind, region, cluster)
        except UsageError:
            raise
        except TandemError as error:
            unseen[name] = " ".join(filter(None, (error.problem, error.cause)))
        tell(Event("account", "audit", "running", fraction=(done + 1) / len(work)))
    spent = time.monotonic() - begin
    tell(Event("account", "audit", "done", spent))
    found.sort(key=lambda one: (_ORDER[one.kind], one.region, one.id))
    return Audit(tuple(links), tuple(found), unseen, spent)
