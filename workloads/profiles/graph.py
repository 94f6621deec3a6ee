"""The graph of a run's tasks, folded until it can be read, as JSON and as DOT.

A node makes the JSON, and whoever reads it there writes the DOT: what comes from a node is data
and no text that a program would carry out. Tasks that do the same on the same level are one
box with a count. What goes through the program itself, which gathers results and submits the
next tasks, goes through its ellipse: a *round* is what it submits before it waits for all.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.schema import Problems

HUB = -1
MOST_TASKS = 20_000
MOST_SINGLE = 12
MOST_BOXES = 48
MOST_EDGES = 400
WIDEST = 5
_NAME_LIMIT = 80
_COUNT_LIMIT = 1 << 53


@dataclass(frozen=True)
class Task:
    """A task by its engine's key, the keys of those that it needs, and its round, from 0."""

    key: str
    name: str
    needs: tuple[str, ...] = ()
    round: int = 0


def folded(tasks: Sequence[Task], *, hub: str, unseen: int = 0) -> dict[str, Any]:
    """Return the graph as JSON.

    `boxes` has the name, how many tasks it stands for and in how many rounds, and the level, of
    each; `edges` has from, to and how many, by the places of boxes, with HUB for the program.

    Parameters
    ----------
    tasks : sequence of Task
        Needs that are no task of these are left out.
    hub : str
        Who submitted the tasks and took their results.
    unseen : int
        How many more tasks there were.
    """
    level = _levels(tasks)
    rounds = len({task.round for task in tasks})
    first = min((task.round for task in tasks), default=0)
    group = _grouping(tasks, level, rounds)
    places: dict[Hashable, int] = {}
    for task in sorted(tasks, key=lambda one: level[one.key]):
        places.setdefault(group(task), len(places))
    place = {task.key: places[group(task)] for task in tasks}
    edges: Counter[tuple[int, int]] = Counter()
    needed = {need for task in tasks for need in task.needs}
    for task in tasks:
        known = [need for need in task.needs if need in place]
        edges.update((place[need], place[task.key]) for need in known)
        if not known and task.round > first:
            edges[HUB, place[task.key]] += 1
        if task.key not in needed:
            edges[place[task.key], HUB] += 1
    boxes = [_box(members) for members in _members(tasks, place, len(places))]
    depth = {index: 0 for index in range(len(boxes))}
    for task in tasks:
        depth[place[task.key]] = max(depth[place[task.key]], level[task.key])
    return {
        "hub": hub,
        "tasks": len(tasks) + unseen,
        "unseen": unseen,
        "rounds": rounds,
        "boxes": [{**box, "level": depth[index]} for index, box in enumerate(boxes)],
        "edges": [[*ends, count] for ends, count in sorted(edges.items())][:MOST_EDGES],
    }


def _levels(tasks: Sequence[Task]) -> dict[str, int]:
    """Return how many tasks lie before each at most (Kahn's order)."""
    known = {task.key: [need for need in task.needs] for task in tasks}
    waiting = {key: sum(need in known for need in needs) for key, needs in known.items()}
    followers: dict[str, list[str]] = {}
    for key, needs in known.items():
        for need in needs:
            followers.setdefault(need, []).append(key)
    level = dict.fromkeys(known, 0)
    ready = [key for key, count in waiting.items() if not count]
    while ready:
        key = ready.pop()
        for follower in followers.get(key, ()):
            level[follower] = max(level[follower], level[key] + 1)
            waiting[follower] -= 1
            if not waiting[follower]:
                ready.append(follower)
    return level


def _grouping(
    tasks: Sequence[Task], level: Mapping[str, int], rounds: int
) -> Callable[[Task], Hashable]:
    """Return what tells boxes apart: tasks, or names on levels, or names, or common names."""
    if len(tasks) <= MOST_SINGLE and rounds == 1:
        return lambda task: task.key
    if len({(task.name, level[task.key]) for task in tasks}) <= MOST_BOXES:
        return lambda task: (task.name, level[task.key])
    common = {name for name, _ in Counter(task.name for task in tasks).most_common(MOST_BOXES)}
    return lambda task: task.name if task.name in common else None


def _members(tasks: Sequence[Task], place: Mapping[str, int], count: int) -> list[list[Task]]:
    found: list[list[Task]] = [[] for _ in range(count)]
    for task in tasks:
        found[place[task.key]].append(task)
    return found


def _box(members: Sequence[Task]) -> dict[str, Any]:
    names = {task.name for task in members}
    name = names.pop() if len(names) == 1 else "others"
    rounds = len({task.round for task in members})
    return {"name": name[:_NAME_LIMIT], "tasks": len(members), "rounds": rounds}


def checked(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a graph that another machine sent.

    Raises
    ------
    InvalidDocument
        If it is not what `folded` returns, or larger than that may be.
    """
    problems = Problems()
    found: dict[str, Any] = {
        name: problems.value(document, name, int, rule=_count_rule)
        for name in ("tasks", "unseen", "rounds")
    }
    found["hub"] = problems.value(document, "hub", str)
    boxes = problems.value(document, "boxes", list, rule=_at_most(MOST_BOXES + 1)) or []
    edges = problems.value(document, "edges", list, rule=_at_most(MOST_EDGES)) or []
    for index, box in enumerate(boxes):
        fields = box if isinstance(box, dict) else {}
        problems.value(fields, "name", str, where=f"boxes[{index}].")
        for name in ("tasks", "rounds", "level"):
            problems.value(fields, name, int, where=f"boxes[{index}].", rule=_count_rule)
    for index, edge in enumerate(edges):
        if not _is_edge(edge, len(boxes)):
            problems.add(f"edges[{index}]", "must be two places of boxes and a count")
    problems.raise_if_any("the task graph of a run")
    return {**found, "boxes": boxes, "edges": edges}


def dot(graph: Mapping[str, Any]) -> str:
    """Return a graph that was checked as text for graphviz's `dot`.

    Colours are such that it can be read on a light and on a dark page.
    """
    boxes = graph["boxes"]
    flat = max((box["level"] for box in boxes), default=0) < WIDEST
    lines = [
        "digraph tasks {",
        f'  graph [bgcolor="transparent", rankdir={"LR" if flat else "TB"},'
        " nodesep=0.15, ranksep=0.8];",
        '  node [shape=box, style="rounded,filled", fillcolor="#e6eefb", color="#5b7db1",'
        ' fontcolor="#16233a", fontname="Helvetica,Arial,sans-serif", fontsize=11];',
        '  edge [color="#808895", fontcolor="#808895", arrowsize=0.6,'
        ' fontname="Helvetica,Arial,sans-serif", fontsize=10];',
    ]
    lines += [f'  t{index} [label="{_label(box)}"];' for index, box in enumerate(boxes)]
    if boxes:
        words = _quoted(graph["hub"])
        lines.append(f'  hub [label="{words}", shape=ellipse, fillcolor="#fdf3dc"];')
    for first, last, count in graph["edges"]:
        back = ", style=dashed, constraint=false" if first == HUB else ""
        ends = " -> ".join("hub" if end == HUB else f"t{end}" for end in (first, last))
        lines.append(f'  {ends} [label="{f" {count} " if count > 1 else ""}"{back}];')
    return "\n".join([*lines, "}", ""])


def _label(box: Mapping[str, Any]) -> str:
    name, tasks, rounds = _quoted(box["name"]), box["tasks"], box["rounds"]
    if tasks == 1:
        return name
    if rounds == 1:
        return f"{name}\\n{tasks} tasks"
    if tasks % rounds == 0:
        return f"{name}\\n{tasks // rounds} in each of {rounds} rounds"
    return f"{name}\\n{tasks} in {rounds} rounds"


def _quoted(text: str) -> str:
    """Return a text as it stands between quotes in DOT, on one line, with nothing to obey."""
    plain = "".join(one if one.isprintable() else " " for one in text)[:_NAME_LIMIT]
    return plain.replace("\\", "\\\\").replace('"', '\\"')


def _is_edge(edge: Any, boxes: int) -> bool:
    if not isinstance(edge, list) or len(edge) != 3:
        return False
    if any(type(one) is not int for one in edge):
        return False
    return all(HUB <= end < boxes for end in edge[:2]) and 0 < edge[2] < _COUNT_LIMIT


def _at_most(count: int) -> Callable[[list[Any]], str | None]:
    return lambda value: None if len(value) <= count else f"must have {count} at most"


def _count_rule(value: int) -> str | None:
    return None if 0 <= value < _COUNT_LIMIT else "must be a count"
