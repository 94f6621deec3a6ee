"""The profile of a run, made around its work and never at its cost.

What has to be done before the work is done before the clock starts, and all that takes time
after the run's last line is written. Nothing here fails a run: what cannot be had is a line
that says why.
"""

import functools
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from workloads import profiles
from workloads.deadlines import PROFILE_BEGIN_SECONDS, PROFILE_SECONDS
from workloads.driver.run_log import RunLog
from workloads.engines import Engine, first_line
from workloads.engines.program_engine import ProgramEngine
from workloads.profiles.graph import folded
from workloads.runs import RunSpec


class Profile(Protocol):
    """What an engine has for a profile; `parts` are made one by one, and each may fail."""

    def begin(self) -> None:
        """Do what must be done before the work."""

    def stop(self) -> None:
        """Take note that the work has ended; returns at once."""

    def parts(self) -> Mapping[str, Callable[[], Any]]:
        """Return what writes each file, or for the graph returns tasks and how many more."""


class Profiling:
    """The profile of one run, into the folder beside its log; none where none is asked for.

    `cpu_seconds` are those that this process spent to begin it.
    """

    def __init__(self, spec: RunSpec, log: RunLog, engine: Engine) -> None:
        self.cpu_seconds = 0.0
        self._log = log
        self._folder = log.path.parent / profiles.FOLDER
        self._hub = "the program" if isinstance(engine, ProgramEngine) else "the driver"
        self._profile = _open(spec, engine, self._folder) if spec.profile else None

    def begin(self) -> None:
        """Begin, within its deadline; what fails here leaves the run without a profile."""
        if self._profile is None:
            return
        begin = time.process_time()
        try:
            self._folder.mkdir(exist_ok=True)
            _within(PROFILE_BEGIN_SECONDS, self._profile.begin)
        except Exception as error:
            self._profile = None
            self._log.write("profile", name=profiles.GRAPH, reason=first_line(error))
        self.cpu_seconds = time.process_time() - begin

    def stop(self) -> None:
        """Take note that the work has ended."""
        if self._profile is not None:
            self._profile.stop()

    def make(self) -> None:
        """Write every part and tell of each, or of why there is none."""
        if self._profile is None:
            return
        for name, make in self._profile.parts().items():
            path = self._folder / name
            try:
                _within(PROFILE_SECONDS, functools.partial(self._write, path, make))
                size = path.stat().st_size
                if size > profiles.MOST_BYTES:
                    path.unlink()
                    most = profiles.MOST_BYTES >> 20
                    raise ValueError(f"it has {size >> 20} MB, more than {most}")
            except Exception as error:
                self._log.write("profile", name=name, reason=first_line(error))
            else:
                self._log.write("profile", name=name, bytes=size)

    def _write(self, path: Path, make: Callable[[], Any]) -> None:
        found = make()
        if path.name == profiles.GRAPH:
            tasks, unseen = found
            path.write_text(json.dumps(folded(tasks, hub=self._hub, unseen=unseen)))


def _open(spec: RunSpec, engine: Engine, folder: Path) -> Profile | None:
    """Return what makes the profile of an engine; the plain one has none."""
    below: Any = engine.below if isinstance(engine, ProgramEngine) else engine
    if spec.engine == "dask":
        from workloads.profiles.on_dask import DaskProfile

        return DaskProfile(below.client, folder)
    if spec.engine == "ray":
        from workloads.profiles.on_ray import RayProfile

        known = engine.submitted if isinstance(engine, ProgramEngine) else dict
        return RayProfile(folder, known)
    return None


def _within(seconds: float, work: Callable[[], Any]) -> None:
    """Do something in a thread that is left alone when it takes too long.

    Raises
    ------
    TimeoutError
        If it did not end in time.
    """
    failed: list[BaseException] = []

    def attempt() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=attempt, name="profile", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if thread.is_alive():
        raise TimeoutError(f"it took more than {seconds:.0f} s")
