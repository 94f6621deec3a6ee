"""Is anything left? All regions at once, by tag, with a deadline, and gaps are told."""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

from contracts.errors import TandemError
from contracts.progress import Event, Tell, tell_nobody
from cost import found as finders
from cost.account import PRICE_REGION, Account, NoCredentials, in_our_words
from cost.found import GLOBAL, REGIONAL, Found
from cost.images import Kept, kept

AT_ONCE = 24
DEADLINE_SECONDS = 120.0
_ORDER = {kind: index for index, kind in enumerate((*REGIONAL, *GLOBAL))}


@dataclass(frozen=True)
class Audit:
    """What an audit found, in the order in which it would be removed.

    `unseen` says what could not be looked at, and why: where it is not empty, nobody knows
    whether the account is clean. `kept` are images, which belong to no cluster.
    """

    regions: tuple[str, ...]
    found: tuple[Found, ...]
    unseen: dict[str, str]
    seconds: float
    kept: tuple[Kept, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether everything was looked at and nothing is left."""
        return not self.found and not self.unseen


def enabled_regions(account: Account) -> tuple[str, ...]:
    """Return the regions that the account may use."""
    with in_our_words("list the regions"):
        answer = account.client("ec2", _home(account)).describe_regions()
    return tuple(sorted(one["RegionName"] for one in answer["Regions"]))


def audit(
    account: Account,
    regions: Sequence[str] | None = None,
    cluster: str | None = None,
    tell: Tell = tell_nobody,
    *,
    seconds: float = DEADLINE_SECONDS,
) -> Audit:
    """Look for everything that carries a cluster's tag, in all enabled regions by default.

    Roles, instance profiles and buckets belong to no region and are always looked at.

    Raises
    ------
    NoCredentials
        If there are none that work; other refusals are told in `unseen`.
    """
    begin = time.monotonic()
    where = tuple(regions) if regions else enabled_regions(account)
    work = _work(account, where, cluster)
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="audit")
    futures: dict[Future[list[Any]], str] = {}
    try:
        for name, look in work:
            futures[pool.submit(_listed, look, name)] = name
        _await(futures, begin + seconds, tell)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    found: list[Found] = []
    images: list[Kept] = []
    unseen: dict[str, str] = {}
    for future, name in futures.items():
        if not future.done() or future.cancelled():
            unseen[name] = f"no answer within {seconds:.0f} s"
        elif error := future.exception():
            if isinstance(error, NoCredentials):
                raise error
            unseen[name] = _reason(error)
        else:
            for one in future.result():
                images.append(one) if isinstance(one, Kept) else found.append(one)
    found.sort(key=lambda one: (_ORDER[one.kind], one.region, one.id))
    images.sort(key=lambda one: (one.region, one.created))
    seconds = time.monotonic() - begin
    return Audit(where, tuple(found), unseen, seconds, tuple(images))


def _work(
    account: Account, regions: Sequence[str], cluster: str | None
) -> list[tuple[str, Callable[[], Iterable[Any]]]]:
    """Return what is to be looked at; the longest first."""
    iam, s3 = account.client("iam", PRICE_REGION), account.client("s3", _home(account))
    work: list[tuple[str, Callable[[], Iterable[Any]]]] = [
        ("bucket", lambda: finders.buckets(s3, cluster)),
        ("role", lambda: finders.roles(iam, cluster)),
        ("instance profile", lambda: finders.instance_profiles(iam, cluster)),
    ]
    for region in regions:
        client = account.client("ec2", region)
        for kind in REGIONAL:
            work.append((f"{kind} in {region}", _regional(client, kind, region, cluster)))
        work.append((f"image in {region}", partial(kept, client, region)))
    return work


def _regional(
    client: object, kind: str, region: str, cluster: str | None
) -> Callable[[], Iterable[Found]]:
    return lambda: finders.regional(client, kind, region, cluster)


def _listed(look: Callable[[], Iterable[Any]], name: str) -> list[Any]:
    with in_our_words(f"look for {name}"):
        return list(look())


def _await(futures: dict[Future[list[Any]], str], give_up: float, tell: Tell) -> None:
    """Wait for all, telling how far it is; an account without credentials ends the wait."""
    pending, begin = set(futures), time.monotonic()
    tell(Event("account", "audit", "started"))
    while pending and time.monotonic() < give_up:
        done, pending = wait(pending, timeout=min(1.0, give_up - time.monotonic()))
        share = 1 - len(pending) / len(futures)
        tell(Event("account", "audit", "running", fraction=share))
        if any(isinstance(one.exception(), NoCredentials) for one in done):
            break
    seconds = time.monotonic() - begin
    tell(Event("account", "audit", "failed" if pending else "done", seconds))


def _reason(error: BaseException) -> str:
    if isinstance(error, TandemError):
        return " ".join(filter(None, (error.problem, error.cause)))
    return f"{type(error).__name__}: {error}"


def _home(account: Account) -> str:
    with contextlib.suppress(TandemError):
        return account.region
    return PRICE_REGION
