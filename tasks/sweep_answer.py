"""What `fab sweep.run` says: the plan of a sweep before it, and what came of it after."""

from collections.abc import Sequence
from typing import Any

from contracts.errors import DONE, PARTIAL
from tasks.verb import Answer
from workloads.sweeps.history import History
from workloads.sweeps.journal import Journal
from workloads.sweeps.pace import seconds_left, span
from workloads.sweeps.plan import PlannedRun
from workloads.sweeps.request import SweepRequest


def preview(name: str, request: SweepRequest, journal: Journal, history: History) -> Answer:
    """Return the plan and what is left of it, without touching anything."""
    runs = request.runs
    todo = history.todo(runs)
    left = seconds_left(todo, history.rows)
    varied = request.subject.variations
    data = sorted({run.work.data_version for run in runs})
    document = {
        **_document(name, request, journal, history),
        "fits": request.fits(),
        "data": data,
        "todo": [_as_json(run) for run in todo],
    }
    lines = [
        f"{name}: {len(runs)} runs of {_combinations(runs)} combinations"
        + (f", in {len(varied)} variations" if varied else "")
        + f", about {request.fits()} fits in all; {len(todo)} runs to do"
        + (f", about {span(left)}." if left else "."),
        f"  on {', '.join(data)}",
        *(
            f"  {run.cell.engine:<6}{run.cell.nodes:>3} "
            f"node{'s' if run.cell.nodes > 1 else ''}, repeat {run.repeat}"
            + "".join(f", {one}" for one in run.cell.variation)
            for run in todo
        ),
    ]
    return Answer(document, "\n".join(lines))


def outcome(
    name: str, request: SweepRequest, journal: Journal, history: History, *, again: str
) -> Answer:
    """Return what came of a sweep; `again` is the command that goes on with it."""
    document = _document(name, request, journal, history)
    if document["complete"]:
        words = f"The sweep {name!r} is complete: {document['runs']} runs."
        following = f"fab report.build --name {name}"
    else:
        words = (
            f"The sweep {name!r} is incomplete: {document['runs_complete']} of "
            f"{document['runs']} runs are complete, {document['trials_failed']} trials failed."
        )
        following = f"{again} tries what is missing again"
    text = f"{words}\nJournal: {journal.path}\nNext: {following}"
    return Answer(document, text, DONE if document["complete"] else PARTIAL)


def _document(
    name: str, request: SweepRequest, journal: Journal, history: History
) -> dict[str, Any]:
    runs = request.runs
    todo = history.todo(runs)
    wanted = {trial.trial_id for run in runs for trial in run.trials}
    failed = [
        one
        for one, result in history.results.items()
        if one in wanted and result.status == "failed"
    ]
    document = {
        "sweep": name,
        "journal": str(journal.path),
        "runs": len(runs),
        "runs_complete": len(runs) - len(todo),
        "trials": len(wanted),
        "trials_complete": len(wanted & history.done),
        "trials_failed": len(failed),
        "quarantined": journal.quarantined(),
        "complete": not todo,
    }
    varied = [dict(one.settings) for one in request.subject.variations]
    return {**document, "variations": varied} if varied else document


def _as_json(run: PlannedRun) -> dict[str, Any]:
    cell = run.cell
    found = {"engine": cell.engine, "nodes": cell.nodes, "repeat": run.repeat}
    return {**found, "variation": list(cell.variation)} if cell.variation else found


def _combinations(runs: Sequence[PlannedRun]) -> str:
    """Return how many trials a run has, or from how many to how many."""
    counts = sorted({len(run.trials) for run in runs})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
