"""What must hold before anything is started on a node; every complaint is told at once."""

from collections.abc import Mapping, Sequence

from contracts.errors import InvalidDocument
from contracts.inventory import Node
from provision import lock as locks
from provision.engine_settings import listeners, slots
from provision.environment_plan import EnvironmentPlan
from provision.facts import Facts

MIB = 1024 * 1024
LEAST_FREE = 256 * MIB
LEAST_FOR_ENVIRONMENT = 2048 * MIB
MOST_SKEW = 5.0
LEAST_MEMORY_SHARE = 0.9


def complaints(
    node: Node, facts: Facts, environment: EnvironmentPlan, engine: str | None
) -> list[str]:
    """Return what keeps a node from taking part, each naming the value and the rule."""
    return [
        f"{node.name}: {words}"
        for words in (
            *_machine(node, facts),
            *_space(facts, environment),
            *_python(facts, environment),
            *_taken_ports(node, facts, engine),
        )
    ]


def clock_notes(facts: Mapping[str, Facts]) -> list[str]:
    """Return a sentence for each node whose clock is wrong enough to confuse its logs."""
    return [
        f"{name}: its clock is {abs(one.skew):.0f} s {'ahead' if one.skew > 0 else 'behind'}"
        for name, one in facts.items()
        if abs(one.skew) > MOST_SKEW
    ]


def same_python(pythons: Mapping[str, str]) -> list[str]:
    """Return a complaint if the nodes' Pythons differ in more than the last number."""
    kinds: dict[str, list[str]] = {}
    for name, version in pythons.items():
        kinds.setdefault(".".join(version.split(".")[:2]), []).append(name)
    if len(kinds) <= 1:
        return []
    told = "; ".join(f"Python {kind} on {', '.join(names)}" for kind, names in kinds.items())
    return [f"all nodes must have the same Python, and there is {told}"]


def refuse(problems: Sequence[str]) -> None:
    """Raise one error with all complaints, if there are any."""
    if problems:
        raise InvalidDocument(
            source="the set of machines",
            problems=problems,
            next_step="mend what is named on the machines or in the inventory, then run the "
            "same command again",
        )


def _machine(node: Node, facts: Facts) -> list[str]:
    found = []
    if facts.system != "Linux":
        found.append(f"must run Linux, runs {facts.system}")
    if not facts.owns_address:
        found.append(f"private_ip {node.private_ip} is not an address of that machine")
    if facts.memory_bytes < LEAST_MEMORY_SHARE * node.memory_bytes:
        found.append(
            f"memory_bytes is {node.memory_bytes / MIB:.0f} MiB in the inventory, and the "
            f"machine has {facts.memory_bytes / MIB:.0f}"
        )
    return found


def _space(facts: Facts, environment: EnvironmentPlan) -> list[str]:
    least = LEAST_FREE if environment.action == "keep" else LEAST_FOR_ENVIRONMENT
    found = []
    if facts.disk_free < least:
        found.append(
            f"{facts.home} has {facts.disk_free / MIB:.0f} MiB free and needs {least / MIB:.0f}"
        )
    if facts.temporary_free < LEAST_FREE:
        free = facts.temporary_free / MIB
        needed = LEAST_FREE / MIB
        found.append(f"its temporary folder has {free:.0f} MiB free, needs {needed:.0f}")
    return found


def _python(facts: Facts, environment: EnvironmentPlan) -> list[str]:
    if environment.action != "create":
        return []
    version = tuple(int(part) for part in facts.python.split(".")[:2])
    least, most = locks.SUPPORTED
    if least <= version <= most:
        return []
    return [f"python3 is {facts.python}; Python 3.11 to 3.13 is needed"]


def _taken_ports(node: Node, facts: Facts, engine: str | None) -> list[str]:
    if engine is None or (engine in facts.records and facts.records[engine].members):
        return []
    needed = listeners(engine, head=node.role == "head", slot_count=slots(node))
    taken = sorted(needed & facts.listening)
    if not taken:
        return []
    ports = ", ".join(map(str, taken))
    return [f"port {ports} is in use by a program that Tandem did not start; end it there"]
