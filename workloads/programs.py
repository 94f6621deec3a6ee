"""Workloads that are an engine's own program: what such a module gets, and what it returns.

A unit of work that is sent to a slot knows nothing of engines. A program is the opposite: one
function that is called once, beside the driver, with the client of a whole engine, and uses
the engine's own library as a user would. Everything else is as for units: the same deadline,
journal, data on every node before, warm-up before the clock, and a failure that is a result.

A program is called as `function(connected, **arguments)` and returns one JSON object for each
of its trials, in their order: `scores` (a list of numbers, higher is better), and if there is
something to tell `extra` (numbers by name), or, in place of these, `reason`: why it failed.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from contracts.trial import REASON_LIMIT, TrialResult, canonical
from workloads.engines import Outcome, Unit, task_name
from workloads.runs import PlannedTrial, RunSpec

# Calls `function(part, **given)` anywhere for each part; returns the values in their order. The
# tasks bear the name of the function, or of another that is given as `named`.
Spread = Callable[..., list[Any]]
# Is told how many of how many parts are done.
Count = Callable[[int, int], None]
# How often Ray is asked how many parts are done, in seconds.
COUNT_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class Connected:
    """What a program computes with.

    `client` is a `distributed.Client`, which is Dask's default then, or the module `ray` after
    its `init`, or None in plain. The engine has exactly the run's nodes, `slots` are the units
    of work that these do at once, `home` is Tandem's folder on each of them, and `addresses`
    are theirs between members. `tell(done, total, words)` says how far the program is, as often
    as it likes; whoever runs the sweep sees "9/20 iterations", and with a total of 0 the words
    alone.
    """

    engine: str
    client: Any
    nodes: tuple[str, ...]
    slots: int
    home: str
    addresses: Mapping[str, str] = field(default_factory=dict)
    tell: Callable[[int, int, str], None] = lambda done, total, words: None

    def counting(self, words: str) -> Count:
        """Return what tells how many of all of something are done."""
        return lambda done, total: self.tell(done, total, words)


def program(
    unit_id: str, module: str, function: str, engine: str, arguments: Mapping[str, Any]
) -> Unit:
    """Return the unit of a program; its forms are `module.on_ray`, `.on_dask`, `.baseline`."""
    form = {"ray": "on_ray", "dask": "on_dask", "plain": "baseline"}[engine]
    return Unit(unit_id, f"{module}.{form}:{function}", arguments, program=True)


def spread_on_dask(client: Any, count: Count | None = None) -> Spread:
    """Return what calls a function for many parts at once, as tasks of Dask.

    `count` is told how many of the parts of a call are done, each time that one is.
    """

    def spread(
        function: Callable[..., Any],
        parts: Sequence[Any],
        named: Callable[..., Any] | None = None,
        **given: Any,
    ) -> list[Any]:
        name = _name(named or function)
        tasks = client.map(function, parts, key=name, pure=False, retries=0, **given)
        if count is not None:
            counting(tasks, count)
        return list(client.gather(tasks))

    return spread


def counting(tasks: Sequence[Any], count: Count) -> None:
    """Tell how many of Dask's futures are done, each time that one is."""
    done = itertools.count(1)
    for task in tasks:
        task.add_done_callback(lambda _: count(next(done), len(tasks)))


def spread_on_ray(ray: Any, count: Count | None = None) -> Spread:
    """Return what calls a function for many parts at once, as remote functions of Ray.

    `count` is told how many of the parts of a call are done, once a second or so.
    """

    def spread(
        function: Callable[..., Any],
        parts: Sequence[Any],
        named: Callable[..., Any] | None = None,
        **given: Any,
    ) -> list[Any]:
        task = _remote(ray, function, _name(named or function))
        asked = [task.remote(part, **given) for part in parts]
        if count is not None:
            waiting(ray, asked, count)
        return list(ray.get(asked))

    return spread


def waiting(ray: Any, asked: Sequence[Any], count: Count) -> None:
    """Wait for results of Ray, and tell how many are there, once a second or so."""
    left = list(asked)
    while left:
        _, left = ray.wait(left, num_returns=len(left), timeout=COUNT_SECONDS)
        count(len(asked) - len(left), len(asked))


def _name(function: Callable[..., Any]) -> str:
    return task_name(f"{function.__module__}:{function.__name__}")


@functools.lru_cache(maxsize=32)
def _remote(ray: Any, function: Callable[..., Any], name: str) -> Any:
    """Return a remote function of Ray, sent to it once; tasks go to all nodes alike.

    Ray may try them again, as it does for its users: now and then a worker that was just
    started dies with its first task. A lost node ends the program before Ray notices.
    """
    options = {"scheduling_strategy": "SPREAD", "name": name}
    return ray.remote(function).options(**options)


def on_every_ray_node(ray: Any, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call a function on each node of Ray as often as it has CPUs, at the same time.

    Dask has the like of its own: `client.run` calls a function in every worker.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(function)
    calls = [
        task.options(
            name=_name(function),
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        ).remote(*arguments)
        for node in ray.nodes()
        if node["Alive"]
        for _ in range(int(node["Resources"].get("CPU", 0)))
    ]
    return list(ray.get(calls))


def reference(trial: Mapping[str, Any], found: Mapping[str, Any]) -> TrialResult:
    """Return a result of the reference, from what a program would return for the trial."""
    return TrialResult("", "ok", trial, tuple(found["scores"]), extra=found.get("extra", {}))


def best_of(data: str, results: Sequence[TrialResult]) -> dict[str, Any]:
    """Return the data, how many trials went well, and the first of the best, as JSON."""
    done = [result for result in results if result.status == "ok"]
    found: dict[str, Any] = {
        "data": data,
        "trials_ok": len(done),
        "trials_failed": len(results) - len(done),
    }
    if done:
        best = max(done, key=lambda one: fmean(one.scores))
        found["best_score"] = fmean(best.scores)
        found["best_parameters"] = canonical(best.parameters)
    return found


class ProgramWork:
    """The programs of one run, each with its trials; their order is that of the work.

    `facts` may add to the run's summary, from the results of trials that went well.
    """

    def __init__(
        self,
        spec: RunSpec,
        programs: Sequence[tuple[Unit, Sequence[PlannedTrial]]],
        facts: Callable[[Sequence[TrialResult]], Mapping[str, Any]] = lambda results: {},
    ) -> None:
        self.units: Sequence[Unit] = [unit for unit, _ in programs]
        self._trials = {unit.unit_id: tuple(trials) for unit, trials in programs}
        self._nodes = spec.nodes
        self._data = str(spec.parameters.get("data_version", ""))
        self._facts = facts

    def accept(
        self, unit_id: str, outcome: Outcome, *, node: str, attempts: int
    ) -> list[TrialResult]:
        """Take what a program returned: one result for each of its trials."""
        trials, values = self._trials[unit_id], outcome.value
        if not isinstance(values, list) or len(values) != len(trials):
            words = f"the program returned {values!r:.80} for {len(trials)} trials"
            return self.give_up(unit_id, words, nodes=self._nodes, attempts=attempts)
        share = {
            "seconds": outcome.seconds / len(trials),
            "cpu_seconds": outcome.cpu_seconds / len(trials),
        }
        return [
            self._result(trial, value, share, attempts)
            for trial, value in zip(trials, values, strict=True)
        ]

    def give_up(
        self, unit_id: str, reason: str, *, nodes: Sequence[str], attempts: int
    ) -> list[TrialResult]:
        """Take the failure of a program, which is that of all its trials."""
        return [
            self._failed(trial, reason, attempts=attempts) for trial in self._trials[unit_id]
        ]

    def needed(self, unit_id: str) -> bool:
        """Return True: no program does another's work."""
        return True

    def summary(self, results: Sequence[TrialResult]) -> dict[str, Any]:
        """Return the data, how many trials went well, and the best of them."""
        found = best_of(self._data, results)
        done = [result for result in results if result.status == "ok"]
        return {**found, **self._facts(done)} if done else found

    def _result(
        self,
        trial: PlannedTrial,
        value: Any,
        share: Mapping[str, float],
        attempts: int,
    ) -> TrialResult:
        if isinstance(value, dict) and "reason" in value:
            return self._failed(trial, str(value["reason"]), attempts=attempts)
        if not (isinstance(value, dict) and value.get("scores")):
            words = f"the program returned {value!r:.80}, which has no scores"
            return self._failed(trial, words, attempts=attempts)
        return TrialResult(
            trial_id=trial.trial_id,
            status="ok",
            parameters=trial.parameters,
            scores=tuple(float(one) for one in value["scores"]),
            seconds=share["seconds"],
            nodes=self._nodes,
            attempts=attempts,
            extra={**value.get("extra", {}), "cpu_seconds": share["cpu_seconds"]},
        )

    def _failed(self, trial: PlannedTrial, reason: str, *, attempts: int) -> TrialResult:
        return TrialResult(
            trial_id=trial.trial_id,
            status="failed",
            parameters=trial.parameters,
            nodes=self._nodes,
            attempts=attempts,
            reason=reason[:REASON_LIMIT],
        )
