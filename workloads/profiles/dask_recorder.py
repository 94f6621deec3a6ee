"""What a scheduler of Dask notes of the tasks that it is given; it runs in the scheduler."""

from typing import Any

from dask.utils import key_split
from distributed.diagnostics.plugin import SchedulerPlugin

from workloads.profiles.graph import MOST_TASKS

NAME = "tandem-task-graph"
PATIENCE_SECONDS = 120.0


class GraphRecorder(SchedulerPlugin):  # type: ignore[misc]
    """Notes each task with what it needs; a new round begins where none was left to do."""

    name = NAME

    def __init__(self) -> None:
        self.tasks: dict[Any, tuple[str, tuple[str, ...], int]] = {}
        self.unseen = 0
        self._round = 0
        self._open: set[Any] = set()

    def update_graph(self, scheduler: Any, *, tasks: Any, **more: Any) -> None:
        """Take note of what a client submitted."""
        if self.tasks and not self._open:
            self._round += 1
        for key in tasks:
            if key in self.tasks:
                continue
            if len(self.tasks) >= MOST_TASKS:
                self.unseen += 1
                continue
            needs = tuple(str(one.key) for one in scheduler.tasks[key].dependencies)
            self.tasks[key] = (key_split(key), needs, self._round)
            self._open.add(key)

    def transition(self, key: Any, start: Any, finish: Any, *more: Any, **rest: Any) -> None:
        """Take note that a task is done, well or badly."""
        if finish not in ("waiting", "no-worker", "queued", "processing"):
            self._open.discard(key)


def recorded(dask_scheduler: Any) -> tuple[list[tuple[str, str, tuple[str, ...], int]], int]:
    """Return what was noted: key, name, needs and round of each task, and how many more."""
    plugin = dask_scheduler.plugins[NAME]
    found = [(str(key), *noted) for key, noted in plugin.tasks.items()]
    return found, plugin.unseen


def be_patient(dask_scheduler: Any) -> None:
    """Have the scheduler wait longer for workers: it hears none while it makes a report.

    On a small machine that takes longer than a silent worker has, and all would be given up.
    Whoever asked for it may be gone before it is over, so it ends by itself, too.
    """
    usual = dask_scheduler.worker_ttl
    if usual and usual < PATIENCE_SECONDS:
        dask_scheduler.tandem_usual_ttl = usual
        dask_scheduler.worker_ttl = PATIENCE_SECONDS
        dask_scheduler.loop.call_later(PATIENCE_SECONDS, be_usual, dask_scheduler)


def be_usual(dask_scheduler: Any) -> None:
    """Have the scheduler wait for workers as long as before."""
    usual = vars(dask_scheduler).pop("tandem_usual_ttl", None)
    if usual:
        dask_scheduler.worker_ttl = usual
