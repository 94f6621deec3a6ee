"""The profile of a run on Dask: its performance report, and the graph from its scheduler."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workloads.profiles import DASK_REPORT, GRAPH
from workloads.profiles.graph import Task

# Until the scheduler has heard every worker again.
HEARD_SECONDS = 2.0


class DaskProfile:
    """Looks on at the scheduler, whichever client has the tasks; `client` is any of it."""

    def __init__(self, client: Any, folder: Path) -> None:
        self._client = client
        self._path = folder / DASK_REPORT
        self._report: Any = None

    def begin(self) -> None:
        """Have the scheduler take note of tasks from now on."""
        from distributed import performance_report

        from workloads.profiles.dask_recorder import GraphRecorder

        with self._client.as_current():
            # Self-contained: it is read where there may be no network, in a frame without any.
            page: Any = performance_report
            self._report = page(str(self._path), mode="inline")
            self._report.__enter__()
        self._client.register_plugin(GraphRecorder())

    def stop(self) -> None:
        """Do nothing: the scheduler makes the report for the time up to when it is asked."""

    def parts(self) -> Mapping[str, Callable[[], Any]]:
        """Return what makes each part of the profile: its file, or the tasks of the graph."""
        return {GRAPH: self._tasks, DASK_REPORT: self._write_report}

    def _tasks(self) -> tuple[list[Task], int]:
        from workloads.profiles.dask_recorder import NAME, recorded

        found, unseen = self._client.run_on_scheduler(recorded)
        self._client.unregister_scheduler_plugin(NAME)
        return [Task(*one) for one in found], unseen

    def _write_report(self) -> None:
        from workloads.profiles.dask_recorder import be_patient, be_usual

        self._client.run_on_scheduler(be_patient)
        try:
            with self._client.as_current():
                self._report.__exit__(None, None, None)
            time.sleep(HEARD_SECONDS)
        finally:
            self._client.run_on_scheduler(be_usual)
