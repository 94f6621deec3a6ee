"""The profile of a run on Ray: its timeline, and the graph of its tasks from what Ray keeps."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workloads.profiles import GRAPH, RAY_TIMELINE
from workloads.profiles.graph import MOST_TASKS, Task

# Workers tell of their tasks once a second.
LATE_SECONDS = 2.0
_DRIVER = 3


class RayProfile:
    """Looks at what Ray keeps of the tasks of one stretch of time.

    `noted` is asked at the end for the round and the needs of tasks, by their ids, where these
    are known.
    """

    def __init__(
        self, folder: Path, noted: Callable[[], Mapping[str, tuple[int, Sequence[str]]]] = dict
    ) -> None:
        self._path = folder / RAY_TIMELINE
        self._noted = noted
        self._since = self._until = 0.0

    def begin(self) -> None:
        """Remember when the work begins: Ray takes note of its tasks anyway."""
        self._since = time.time()

    def stop(self) -> None:
        """Remember when the work ended."""
        self._until = time.time()

    def parts(self) -> Mapping[str, Callable[[], Any]]:
        """Return what makes each part of the profile: its file, or the tasks of the graph."""
        return {RAY_TIMELINE: self._write_timeline, GRAPH: self._tasks}

    def _write_timeline(self) -> None:
        import ray

        time.sleep(LATE_SECONDS)
        begin, end = self._since * 1e6, self._until * 1e6
        events = ray.timeline() or []
        own = [one for one in events if begin <= one.get("ts", 0) <= end]
        self._path.write_text(json.dumps(own))

    def _tasks(self) -> tuple[list[Task], int]:
        from ray._private.state import state

        events = state._get_all_task_events()  # the state API needs a dashboard, this does not
        known = [one for one in events if one.HasField("task_info")]
        return tasks_of(known, self._noted(), self._since, self._until)


def tasks_of(
    events: Sequence[Any],
    noted: Mapping[str, tuple[int, Sequence[str]]],
    since: float,
    until: float,
) -> tuple[list[Task], int]:
    """Return the tasks that were submitted in a stretch of time, and how many more there were.

    A task that another submitted hangs on that one and is of its round. Of others whose round
    was not noted, one begins with a task that was submitted when all before it had ended.

    Parameters
    ----------
    events : sequence
        Ray's `TaskEvents`, of which each attempt at a task has one.
    noted : mapping
        The round of a task and the tasks whose results it takes, by ids.
    since, until : float
        Seconds since 1970.
    """
    spans: dict[str, tuple[int, int, Any]] = {}
    for event in events:
        moments = list(event.state_updates.state_ts_ns.values())
        if event.task_info.type == _DRIVER or not moments:
            continue
        key = event.task_id.hex()
        first, last, _ = spans.get(key, (min(moments), 0, None))
        spans[key] = min(first, *moments), max(last, *moments), event.task_info
    inside = sorted(
        (span, key) for key, span in
        ((key, span[:2]) for key, span in spans.items())
        if since * 1e9 <= span[0] <= until * 1e9
    )  # fmt: skip
    found: list[Task] = []
    rounds: dict[str, int] = {}
    number = ended = 0
    for (first, last), key in inside[:MOST_TASKS]:
        if found and first >= ended:
            number += 1
        ended = max(ended, last)
        info = spans[key][2]
        parent = info.parent_task_id.hex()
        rounds[key], needs = noted.get(key, (rounds.get(parent, number), ()))
        needs = (*needs, *([parent] if parent in spans else []))
        found.append(Task(key, info.name or info.func_or_class_name, needs, rounds[key]))
    return found, max(0, len(inside) - MOST_TASKS)
