"""Work on many nodes at once: bounded, with a deadline, every outcome kept."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from contracts.errors import (
    BAD_USAGE,
    DEADLINE_PASSED,
    FAILED,
    PARTIAL,
    REFUSED,
    DeadlineError,
    TandemError,
)

T = TypeVar("T")
MOST_AT_ONCE = 32
# What is told when nodes fail differently: the outcome that wants a person's care most.
_GRAVEST_FIRST = (REFUSED, BAD_USAGE, FAILED, DEADLINE_PASSED, PARTIAL)


class NodesFailed(TandemError):
    """Work failed on some nodes; `outcomes` has the error of each, by node name."""

    def __init__(self, what: str, outcomes: Mapping[str, Exception], total: int) -> None:
        self.outcomes = dict(outcomes)
        causes = [_in_one_paragraph(name, error) for name, error in self.outcomes.items()]
        steps = [
            error.next_step
            for error in self.outcomes.values()
            if isinstance(error, TandemError) and error.next_step
        ]
        super().__init__(
            f"{what} failed on {len(self.outcomes)} of {total} nodes.",
            cause="\n".join(causes),
            next_step="; ".join(dict.fromkeys(steps)) or "run the same command again",
        )
        codes = [
            error.exit_code if isinstance(error, TandemError) else FAILED
            for error in self.outcomes.values()
        ]
        self.exit_code = min(codes, key=_GRAVEST_FIRST.index)


@dataclass(frozen=True)
class Outcomes(Generic[T]):
    """What came of the work on each node: a value or an error, never neither."""

    what: str
    done: Mapping[str, T]
    failed: Mapping[str, Exception]

    def values(self) -> dict[str, T]:
        """Return the value of every node.

        Raises
        ------
        TandemError
            The error itself if there is one node and it failed; else NodesFailed with
            every error.
        """
        if not self.failed:
            return dict(self.done)
        total = len(self.done) + len(self.failed)
        if total == 1:
            raise next(iter(self.failed.values()))
        raise NodesFailed(self.what, self.failed, total)


def on_each(
    what: str,
    names: Sequence[str],
    work: Callable[[str], T],
    *,
    seconds: float,
    at_once: int = MOST_AT_ONCE,
) -> Outcomes[T]:
    """Call `work` for each name, at most `at_once` together, and wait `seconds` at most.

    No name is left out because another failed. Work that is still under way at the deadline
    counts as failed with a DeadlineError; its thread is abandoned and cannot hold up the
    end of the program.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    results: queue.SimpleQueue[tuple[str, T | None, Exception | None]] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)
    for _ in range(min(at_once, len(names))):
        threading.Thread(target=_work_off, args=(waiting, results, work), daemon=True).start()
    done: dict[str, T] = {}
    failed: dict[str, Exception] = {}
    give_up = time.monotonic() + seconds
    while len(done) + len(failed) < len(names):
        try:
            name, value, error = results.get(timeout=max(0.0, give_up - time.monotonic()))
        except queue.Empty:
            break
        if error is None:
            done[name] = value  # type: ignore[assignment]
        else:
            failed[name] = error
    for name in names:
        if name not in done and name not in failed:
            failed[name] = DeadlineError(
                waited_for=what, whom=name, seconds=seconds, last_state="still under way"
            )
    order = {name: index for index, name in enumerate(names)}
    ordered = sorted(failed.items(), key=lambda item: order[item[0]])
    return Outcomes(what, {name: done[name] for name in names if name in done}, dict(ordered))


def _work_off(
    waiting: "queue.SimpleQueue[str]",
    results: "queue.SimpleQueue[tuple[str, T | None, Exception | None]]",
    work: Callable[[str], T],
) -> None:
    while True:
        try:
            name = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            results.put((name, work(name), None))
        except Exception as error:
            results.put((name, None, error))


def _in_one_paragraph(name: str, error: Exception) -> str:
    if isinstance(error, TandemError):
        words = " ".join(part for part in (error.problem, error.cause) if part)
    else:
        words = f"{type(error).__name__}: {error}"
    return words if words.startswith(f"{name}: ") else f"{name}: {words}"
