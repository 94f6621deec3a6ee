"""Which environment a node is to use, and what has to be done to it first; all of it pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from provision.facts import Environment, Facts
from provision.lock import Lock, differences, markers_of

SYSTEM_FOLDER = "/opt/tandem/env"
ROWS_SHOWN = 8


@dataclass(frozen=True)
class EnvironmentPlan:
    """What to do about a node's environment at `path`, and why.

    `reinstall` are packages that are there and damaged; `rows` those that differ from the
    lock: name, the lock's version, the node's.
    """

    path: str
    action: Literal["keep", "repair", "create"]
    reinstall: tuple[str, ...] = ()
    rows: tuple[tuple[str, str, str], ...] = ()
    damage: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What is wrong with the environment, in one sentence."""
        if self.action == "create":
            return "there is none for this lock"
        parts = []
        if self.rows:
            names = ", ".join(
                f"{name} {theirs} (lock: {ours})" for name, ours, theirs in self.rows
            )
            parts.append(f"{len(self.rows)} packages differ: {names[:300]}")
        if self.damage:
            parts.append(f"damaged: {'; '.join(self.damage)[:300]}")
        return "; ".join(parts)


def environment_plan(facts: Facts, lock: Lock) -> EnvironmentPlan:
    """Decide for one node: keep the environment it has, repair it, or make one.

    A complete environment wins over one that needs repair; one that cannot be written to is
    passed over, and a new one is made in the user's own folder.
    """
    plans = [_judge(facts, one, lock) for one in facts.environments]
    complete = [plan for plan in plans if plan.action == "keep"]
    if complete:
        return complete[0]
    repairable = [
        plan for plan, one in zip(plans, facts.environments, strict=True) if one.writable
    ]
    if repairable:
        return repairable[0]
    folder = SYSTEM_FOLDER if facts.can_write_system else f"{facts.home}/env"
    taken = {one.path for one in facts.environments}
    path = f"{folder}/{lock.fingerprint}"
    if path in taken:
        path = f"{facts.home}/env/{lock.fingerprint}"
    return EnvironmentPlan(path, "create")


def table(rows: Sequence[tuple[str, str, str]]) -> str:
    """Return the differences as lines of a table."""
    shown = [("package", "lock", "node"), *rows[:ROWS_SHOWN]]
    lines = [f"{name:<28} {ours:<14} {theirs}" for name, ours, theirs in shown]
    more = len(rows) - ROWS_SHOWN
    return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)


def _judge(facts: Facts, found: Environment, lock: Lock) -> EnvironmentPlan:
    markers = markers_of(
        python=found.python or facts.python,
        system=facts.system,
        machine=facts.machine,
        release=facts.release,
    )
    rows = differences(lock.expected(markers), found.packages)
    if not rows and not found.damaged:
        return EnvironmentPlan(found.path, "keep")
    damage = tuple(f"{name}: {lines[0]}" for name, lines in found.damaged.items() if lines)
    return EnvironmentPlan(found.path, "repair", tuple(sorted(found.damaged)), rows, damage)
