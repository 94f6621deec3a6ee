"""The driver of one run, on the head: `python -m workloads.driver RUN_FOLDER/spec.json`.

It writes `results.jsonl` beside the specification and prints nothing of substance. Started
again in the same folder it goes on: trials that have a result are not done twice.
"""

import contextlib
import dataclasses
import os
import platform
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from contracts.errors import DONE, FAILED, INTERRUPTED, TandemError
from contracts.files import single_writer
from workloads import registry
from workloads.deadlines import (
    CONNECT_SECONDS,
    DATA_SECONDS,
    LEAVE_SECONDS,
    WARM_UP_SECONDS,
)
from workloads.driver import executor
from workloads.driver.executor import Hearers, Limits, Totals
from workloads.driver.kept import keep
from workloads.driver.phases import check_same, do_everywhere
from workloads.driver.profiling import Profiling
from workloads.driver.run_log import RunLog
from workloads.engines import Engine, Slot, open_engine
from workloads.engines.program_engine import ProgramEngine
from workloads.registry import Workload
from workloads.runs import RunSpec, load

_LIBRARIES = ("ray", "dask", "distributed", "scikit-learn", "numpy", "scipy", "joblib")


def main(arguments: Sequence[str]) -> int:
    """Drive the run whose specification is the one argument; return the exit code.

    Raises
    ------
    RefusedError
        If another driver is at work on the same run; nothing is written.
    """
    path = Path(arguments[0])
    signal.signal(signal.SIGTERM, _stop)
    with single_writer(path.with_name("driver.lock"), purpose="The same run"):
        log = RunLog(path.with_name("results.jsonl"))
        with contextlib.ExitStack() as stack:
            try:
                spec = load(path)
                drive(spec, log, stack)
                keep(spec, log.path)
            except TandemError as error:
                log.write("failed", reason=str(error))
                return error.exit_code
            except (KeyboardInterrupt, SystemExit):
                log.write("failed", reason="The driver was stopped.")
                return INTERRUPTED
            except Exception as error:
                traceback.print_exc()
                log.write("failed", reason=f"{type(error).__name__}: {error}")
                return FAILED
    return DONE


def drive(spec: RunSpec, log: RunLog, stack: contextlib.ExitStack) -> None:
    """Do what is left of a run, from connecting to the summary.

    The engine is left when `stack` unwinds, after the last line is written: an engine whose
    head is gone may take its time, and nobody should wait for that.

    Raises
    ------
    TandemError
        If the run cannot go on; what was finished is in the log.
    """
    log.write("started", pid=os.getpid(), versions=_versions())
    workload = registry.find(spec.workload)
    engine = open_engine(spec)
    stack.callback(_leave, engine)
    with _phase(log, "connect"):
        engine.connect(CONNECT_SECONDS)
    lost = _fetch_data(spec, log, workload, engine)
    if workload.warm_up(spec).program:
        engine, lost = ProgramEngine(spec, engine), set()
        stack.callback(engine.close)
    lost = _warm_up(spec, log, workload, engine, lost)
    profiling = Profiling(spec, log, engine)
    begin_cpu = time.process_time()
    totals = _work(spec, log, workload, engine, lost, profiling)
    results = [log.results[trial.trial_id] for trial in spec.trials]
    log.write(
        "finished",
        wall_seconds=totals.wall_seconds,
        units=totals.units,
        retries=totals.retries,
        cpu_seconds=totals.cpu_seconds,
        driver_cpu_seconds=time.process_time() - begin_cpu - profiling.cpu_seconds,
        summary=workload.open_work(spec).summary(results),
    )
    profiling.make()


def _fetch_data(spec: RunSpec, log: RunLog, workload: Workload, engine: Engine) -> set[Slot]:
    """Put the data on every node; return the slots lost meanwhile."""
    with _phase(log, "data"):
        firsts = [slot for slot in engine.slots if slot.index == 0]
        unit = workload.preparation(spec)
        found = do_everywhere(engine, unit, firsts, DATA_SECONDS, log.death)
        check_same(found.values, head=spec.nodes[0])
    return found.lost


def _warm_up(
    spec: RunSpec, log: RunLog, workload: Workload, engine: Engine, lost: set[Slot]
) -> set[Slot]:
    """Warm every slot up that is not lost; return the slots lost by then."""
    with _phase(log, "warmup"):
        left = [slot for slot in engine.slots if slot not in lost]
        unit = workload.warm_up(spec)
        warm = do_everywhere(engine, unit, left, WARM_UP_SECONDS, log.death)
    return (lost | warm.lost) - set(warm.values)


def _work(
    spec: RunSpec,
    log: RunLog,
    workload: Workload,
    engine: Engine,
    lost: set[Slot],
    profiling: Profiling,
) -> Totals:
    left = tuple(trial for trial in spec.trials if trial.trial_id not in log.results)
    here = (log.results.get(trial.trial_id) for trial in spec.trials)
    known = (*spec.finished, *(one for one in here if one and one.status == "ok"))
    work = workload.open_work(dataclasses.replace(spec, trials=left, finished=known))
    limits = Limits(spec.unit_deadline_seconds, spec.run_deadline_seconds, spec.max_attempts)
    hearers = Hearers(log.trial, log.death, log.progress, log.step)
    programs = engine if isinstance(engine, ProgramEngine) else None
    before = programs.workers_cpu() if programs else None
    profiling.begin()  # after our own question, which is a task of the engine, too
    with _phase(log, "work"):
        totals = executor.run(engine, work, limits, hearers, lost=lost)
    profiling.stop()
    if programs:
        after = programs.workers_cpu()
        if before is None or after is None or after < before:
            totals.cpu_seconds = 0.0  # not known, as it is nowhere else; a part would mislead
        else:
            totals.cpu_seconds += after - before
    return totals


@contextlib.contextmanager
def _phase(log: RunLog, name: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    log.write("phase", name=name, seconds=time.monotonic() - begin)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _leave(engine: Engine) -> None:
    """Close an engine, and end this process if that takes too long."""
    hangs = threading.Timer(LEAVE_SECONDS, os._exit, [FAILED])
    hangs.daemon = True
    hangs.start()
    engine.close()
    hangs.cancel()


def _stop(signal_number: int, frame: Any) -> None:
    raise SystemExit(INTERRUPTED)
