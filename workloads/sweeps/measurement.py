"""A sweep as it is carried out: runs are started, followed and written into the journal.

What reaches the machines is behind the protocol `Cluster`; this module decides what to ask of
it and keeps the promise that a result counts once its line is on the operator's disk.
"""

import contextlib
import datetime
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from contracts.errors import TandemError
from contracts.progress import Event, Tell
from workloads.deadlines import driver_seconds
from workloads.runs import RunSpec
from workloads.sweeps import profiles
from workloads.sweeps.cluster import Cluster, Footing, Timeline, clipped
from workloads.sweeps.driver_output import DriverOutput, Observed
from workloads.sweeps.history import History
from workloads.sweeps.journal import Journal, JournalWriteError
from workloads.sweeps.pace import far, seconds_left, span
from workloads.sweeps.plan import Cell, PlannedRun, Variation, planned_run, remaining, run_id
from workloads.sweeps.records import (
    AttemptRecord,
    JournalEntry,
    RunRecord,
    TrialRecord,
    as_record,
)
from workloads.sweeps.run_row import Status, ending, run_row, verdict

TELL_EVERY_SECONDS = 2.0
LAUNCH_SECONDS = 5.0  # the driver's first phase begins within these after its launch


@dataclass(frozen=True)
class Limits:
    """How long a run and one try of a unit may take, in seconds, and how many tries."""

    run_seconds: float = 3600.0
    unit_seconds: float = 600.0
    attempts: int = 3


class Measurement:
    """Carries out the runs of one plan, one after the other.

    Parameters
    ----------
    journal, history
        Where each event is written, and what was read from there before.
    cluster : Cluster
        The machines.
    tell : callable
        Is told of progress.
    profile : bool
        Whether engines' profiles and task graphs are kept, beside the journal.
    load, clock, folder : callable
        The operator's load average of one minute, a monotonic clock in seconds, and a new name
        for the folder of an attempt on the head. Each attempt has its own: in a folder that
        was used, a driver would find old results and measure nothing.
    """

    def __init__(
        self,
        journal: Journal,
        history: History,
        cluster: Cluster,
        *,
        limits: Limits,
        tell: Tell,
        profile: bool = False,
        load: Callable[[], float] = lambda: os.getloadavg()[0],
        clock: Callable[[], float] = time.monotonic,
        folder: Callable[[], str] = lambda: secrets.token_hex(10),
    ) -> None:
        self._journal = journal
        self._history = history
        self._cluster = cluster
        self._limits = limits
        self._tell = tell
        self._profile = profile
        self._load = load
        self._clock = clock
        self._folder = folder
        self._todo: Sequence[PlannedRun] = ()

    def record(self, entry: JournalEntry) -> None:
        """Write an entry to the journal; only then does it count.

        Raises
        ------
        JournalWriteError
            If it could not be written.
        """
        self._journal.append(as_record(entry))
        self._history.add(entry)

    def take_up(self, runs: Sequence[PlannedRun]) -> None:
        """Close every attempt that an earlier call left open, and keep what it wrote.

        The driver of a run that is planned is followed to its end, whether it is still at
        work or not; that of any other is stopped first.
        """
        planned = {run.run_id for run in runs}
        for attempt in self._history.open_attempts():
            if attempt.run_id not in planned:
                self._cluster.stop(attempt.folder)
            self._todo = self._history.todo(runs)
            self._carry_through(attempt, "take up ", reattached=True)

    def measure(self, runs: Sequence[PlannedRun]) -> None:
        """Do every run that has trials without a score, once, in the order given.

        Raises
        ------
        TandemError
            If the cluster cannot be brought up or reached. The journal has what was done.
        KeyboardInterrupt
            After the driver was stopped and the rest of its results were kept.
        """
        todo = self._history.todo(runs)
        for index, run in enumerate(todo):
            self._todo = todo[index:]
            footing = self._cluster.start(run.cell)
            attempt = self._begin(run, footing)
            self._carry_through(attempt, f"{index + 1}/{len(todo)} ", reattached=False)

    def _begin(self, run: PlannedRun, footing: Footing) -> AttemptRecord:
        number = self._history.next_attempt(run.run_id)
        trials = remaining(run, self._history.done)
        attempt = AttemptRecord(
            run_id=run.run_id,
            attempt=number,
            folder=self._folder(),
            engine=run.cell.engine,
            nodes=run.cell.nodes,
            repeat=run.repeat,
            trials=tuple(trial.trial_id for trial in trials),
            load_before=self._load(),
            bringup=footing.bringup,
            machines=footing.nodes,
            begun_at=_now(),
        )
        spec = RunSpec(
            run_id=attempt.folder,
            workload=run.work.workload,
            engine=run.cell.engine,
            address=footing.address,
            nodes=footing.nodes,
            addresses=footing.addresses,
            slots=footing.slots,
            credentials=footing.credentials,
            home=footing.home,
            repeat=run.repeat,
            seed=run.work.seed,
            parameters=run.work.parameters,
            trials=trials,
            run_deadline_seconds=self._limits.run_seconds,
            unit_deadline_seconds=self._limits.unit_seconds,
            max_attempts=self._limits.attempts,
            continues=self._history.folders(run.run_id),
            profile=self._profile,
            finished=self._history.finished(run),
        )
        self.record(attempt)
        self._cluster.launch(spec)
        return attempt

    def _carry_through(self, attempt: AttemptRecord, prefix: str, *, reattached: bool) -> None:
        """Follow an attempt to its end and close it."""
        step = f"{prefix}{attempt.engine} x {attempt.nodes}, repeat {attempt.repeat}"
        variation = self._variation_of(attempt)
        if variation is not None:
            step = ", ".join([step, *variation.names])
        self._tell(Event("sweep", step, "started"))
        begin = self._clock()
        try:
            observed = self._follow(attempt, step)
        except KeyboardInterrupt:
            # It may have struck between a line and our knowing of it: the disk is right.
            self._history.reload(self._journal.repair().records)
            self._cluster.stop(attempt.folder)
            observed = self._pull(attempt)
            self._close(attempt, observed, "interrupted", "interrupted by the user", reattached)
            raise
        except JournalWriteError:
            with contextlib.suppress(TandemError):
                self._cluster.stop(attempt.folder)
            raise
        status, reason = ending(observed)
        row = self._close(attempt, observed, status, reason, reattached)
        took = self._clock() - begin
        state: Literal["done", "failed"] = "done" if status == "finished" else "failed"
        self._tell(Event("sweep", step, state, took, verdict(row)))

    def _follow(self, attempt: AttemptRecord, step: str) -> Observed:
        output = self._output(attempt)
        told = begin = self._clock()
        units, allowed = 0, driver_seconds(self._limits.run_seconds)
        for data in self._cluster.follow(attempt.folder):
            self._keep(attempt, output, data)
            now = self._clock()
            if now - begin > allowed:
                self._cluster.stop(attempt.folder)
                observed = self._pull(attempt)
                if observed.ended is None:
                    observed.ended = "failed"
                    observed.reason = f"no end within {span(allowed)}, getting ready included"
                return observed
            if now - told >= TELL_EVERY_SECONDS:
                rate = (output.observed.units_done - units) / (now - told)
                self._tell_progress(output.observed, step, rate)
                told, units = now, output.observed.units_done
        return output.observed

    def _pull(self, attempt: AttemptRecord) -> Observed:
        """Keep everything that a driver wrote before it was stopped."""
        output = self._output(attempt)
        for data in self._cluster.follow(attempt.folder):
            self._keep(attempt, output, data)
        return output.observed

    def _output(self, attempt: AttemptRecord) -> DriverOutput:
        asked = set(attempt.trials)
        found = self._variation_of(attempt)
        trials = planned_run(found.work, *_place(attempt)).trials if found else ()
        return DriverOutput(tuple(one for one in trials if one.trial_id in asked))

    def _keep(self, attempt: AttemptRecord, output: DriverOutput, data: bytes) -> None:
        for result in output.feed(data):
            if self._history.results.get(result.trial_id) != result:
                self.record(TrialRecord(attempt.run_id, result))

    def _close(
        self,
        attempt: AttemptRecord,
        observed: Observed,
        status: Status,
        reason: str | None,
        reattached: bool,
    ) -> RunRecord:
        done = self._history.done
        found, beside = self._variation_of(attempt), self._journal.path.parent
        row = run_row(
            attempt,
            observed,
            work=found.work.fingerprint if found else "",
            ok=sum(1 for name in attempt.trials if name in done),
            status=status,
            reason=reason,
            reattached=reattached,
            timeline=self._timeline(attempt, sum(observed.phases.values())),
            profiles=profiles.fetch(observed.profiles, self._cluster, attempt.folder, beside),
            load_after=self._load(),
            ended_at=_now(),
        )
        self.record(row)
        return row

    def _timeline(self, attempt: AttemptRecord, seconds: float) -> Timeline:
        begun = datetime.datetime.fromisoformat(attempt.begun_at)
        since = (datetime.datetime.now(datetime.UTC) - begun).total_seconds()
        try:
            found = self._cluster.timeline(attempt.machines, max(1.0, since))
        except TandemError:
            return {}
        return clipped(found, seconds + LAUNCH_SECONDS)

    def _tell_progress(self, seen: Observed, step: str, rate: float) -> None:
        share, words = far(seen, rate)
        left = seconds_left(self._todo, self._history.rows, fraction_of_first=share)
        if left is not None:
            words.append(f"about {span(left)} left")
        if seen.deaths:
            words.append(f"lost: {', '.join(death['node'] for death in seen.deaths)}")
        self._tell(Event("sweep", step, "running", 0.0, ", ".join(words), share))

    def _variation_of(self, attempt: AttemptRecord) -> Variation | None:
        """Return what an attempt was for; None if the line of its plan was damaged."""
        for plan in reversed(self._history.plans):
            for one in plan.subject.of(attempt.engine):
                if run_id(one.work, *_place(attempt)) == attempt.run_id:
                    return one
        return None


def _place(attempt: AttemptRecord) -> tuple[Cell, int]:
    return Cell(attempt.engine, attempt.nodes), attempt.repeat


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
