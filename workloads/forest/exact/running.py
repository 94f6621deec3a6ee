"""The shared part of a search: in this process, or as units somewhere else."""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed, effective_n_jobs

from workloads.engines import Unit
from workloads.forest.exact.builders import ForestBuilder
from workloads.forest.exact.elsewhere import UnitsFailed
from workloads.forest.exact.plan import Plan
from workloads.forest.exact.sharing import ForestData, write_data
from workloads.forest.exact.tallies import GroupTally, Judge, SumsMemory
from workloads.forest.exact.units import grow_unit
from workloads.forest.exact.votes import tree_votes
from workloads.forest.exact.work import ExactWork, FinishedTrial

Run = Callable[[Sequence[Unit]], Iterator[tuple[str, Mapping[str, Any]]]]


@dataclass
class Shared:
    """Scores by trial and fold, and which builders grew the trees and why."""

    makers: dict[str, list[str]] = field(default_factory=dict)
    scores: dict[tuple[int, int], Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def builder(self) -> str:
        """Every builder that grew trees."""
        return ", ".join(sorted(self.makers))

    @property
    def reason(self) -> str:
        """Why that one, or why each of them."""
        if not self.makers:
            return "every score was in the checkpoint"
        told = {name: ", ".join(reasons) for name, reasons in sorted(self.makers.items())}
        if len(told) == 1:
            return "".join(told.values())
        return "; ".join(f"{name}: {reasons}" for name, reasons in told.items())

    def made_by(self, builder: str, reason: str) -> None:
        """Note what grew some of the trees, and why that."""
        reasons = self.makers.setdefault(builder, [])
        if reason not in reasons:
            reasons.append(reason)

    def add(self, finished: Iterable[FinishedTrial]) -> None:
        """Note the scores of trials."""
        for done in finished:
            for fold, score in enumerate(done.scores):
                self.scores[done.trial, fold] = score

    def as_fits(self, n_test: Sequence[int]) -> dict[tuple[int, int], dict[str, Any]]:
        """Return the scores as GridSearchCV has those of fits, with even parts of the time.

        Parameters
        ----------
        n_test : sequence of int
            Rows of the test part of each fold.
        """
        part = self.seconds / max(1, len(self.scores))
        return {
            (trial, fold): {
                **score,
                "fit_error": None,
                "n_test_samples": n_test[fold],
                "fit_time": part,
                "score_time": 0.0,
            }
            for (trial, fold), score in self.scores.items()
        }


def share(
    plan: Plan,
    data: ForestData,
    judges: Sequence[Judge],
    choice: str,
    *,
    engine: Any,
    n_jobs: int | None,
    pre_dispatch: Any,
    checkpoint: Path | None,
) -> Shared:
    """Do the shared part: here, in joblib's processes, or on an engine.

    Parameters
    ----------
    plan, data, judges
        `judges` has one for each fold.
    choice : str
        As in `ForestBuilder`.
    engine, n_jobs, pre_dispatch
        As in `ExactForestSearchCV`.
    checkpoint : Path, optional
        Where what is done is kept.
    """
    begin = time.perf_counter()
    if engine is None and checkpoint is None and effective_n_jobs(n_jobs) == 1:
        found = share_in_process(plan, data, judges, choice)
    else:
        run = in_processes(n_jobs, pre_dispatch) if engine is None else engine.run
        found = share_elsewhere(plan, data, judges, choice, run, checkpoint)
    found.seconds = time.perf_counter() - begin
    return found


def share_in_process(
    plan: Plan, data: ForestData, judges: Sequence[Judge], choice: str
) -> Shared:
    """Grow every tree here, one after the other; nothing but the tree in hand is kept."""
    builder = ForestBuilder(data, choice)
    memory = SumsMemory()
    shared = Shared()
    for fold, (part, (train, rows)) in enumerate(zip(plan.folds, data.folds, strict=True)):
        found = {}
        for number, group in enumerate(part.groups):
            shared.made_by(*builder.maker(group.rule))
            tally = GroupTally(group, len(rows), data.n_classes, judges[fold], memory)
            for tree in range(group.n_trees):
                votes = tree_votes(builder, group, train, rows, tree)
                for variant, size, score in tally.add_tree(votes):
                    found[number, variant, size] = score
        shared.scores.update({(t, fold): found[place] for t, place in part.places.items()})
    return shared


def share_elsewhere(
    plan: Plan,
    data: ForestData,
    judges: Sequence[Judge],
    choice: str,
    run: Run,
    checkpoint: Path | None = None,
) -> Shared:
    """Hand out units over one data file in a temporary folder, and commit what comes back.

    With a checkpoint, what an earlier search left there is taken up first.

    Raises
    ------
    UnitsFailed
        If not every unit had a value in the end.
    """
    shared = Shared()
    with tempfile.TemporaryDirectory(prefix="exact-forest-") as folder:
        name = write_data(Path(folder), data)
        work = ExactWork(
            plan,
            data,
            folder,
            name,
            builder=choice,
            judge=lambda fold: judges[fold],
            kept=checkpoint,
            early=Path(folder),
        )
        shared.add(work.resumed())
        for unit_id, value in run(work.units):
            shared.add(work.accept(unit_id, value))
            shared.made_by(value["builder"], value["reason"])
        if left := work.units:
            raise UnitsFailed(
                f"The search ended early: no value of {len(left)} unit{'s'[: len(left) > 1]} "
                f"came, {left[0].unit_id} among them.",
                cause="the engine's run() ended before it had yielded every unit",
                next_step="mend the engine; without engine= the same search runs here",
            )
    return shared


def in_processes(n_jobs: int | None, pre_dispatch: Any) -> Run:
    """Return what does units in joblib's processes, a few in advance, in order."""

    def run(units: Sequence[Unit]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        jobs = Parallel(n_jobs=n_jobs, pre_dispatch=pre_dispatch, return_as="generator")
        values = jobs(delayed(grow_unit)(**unit.arguments) for unit in units)
        for unit, value in zip(units, values, strict=True):
            yield unit.unit_id, value

    return run
