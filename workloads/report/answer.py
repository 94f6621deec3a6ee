"""The answer in words: which engine, how many nodes, was it worth it, at what cost."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from workloads.report import reuse
from workloads.report.beyond import beyond_ideal
from workloads.report.comparison import Comparison, compare, length, named
from workloads.report.costs import Prices, amount
from workloads.report.evidence import Evidence
from workloads.report.statistics import apart, spread
from workloads.sweeps.plan import PLAIN

WORTH_RATIO = 1.25
WORTH_EFFICIENCY = 0.6
BUSY_LOAD = 1.5

Verdict = Literal["yes", "dear", "no", "unknown", "mixed"]


@dataclass(frozen=True)
class Answer:
    """A headline, the sentences that say why, and what is missing, if anything is."""

    verdict: Verdict
    headline: str
    sentences: tuple[str, ...]
    incomplete: str | None = None


def answer(evidence: Evidence, prices: Prices | None) -> Answer:
    """Return what the measurements say to someone who has to decide.

    Where the sweep falls into parts that cannot be compared, each part has its own answer.
    """
    parts = evidence.parts()
    if len(parts) > 1:
        return _of_parts(evidence, [(part, compare(part)) for part in parts])
    compared = compare(evidence)
    if compared is None:
        said = tuple(_disturbed(evidence))
        return Answer("unknown", unknown(evidence), said, _incomplete(evidence))
    verdict = verdict_of(compared)
    sentences = [
        _what(compared, evidence),
        _why(compared, verdict, evidence),
        *beyond_ideal(evidence, compared),
        *_engines(compared, evidence),
        *reuse.sentences(evidence),
        *_bringup(compared, evidence),
        _cost(compared, evidence, prices),
        *_busy(evidence),
        *_disturbed(evidence),
    ]
    headline = _headline(compared, verdict)
    return Answer(verdict, headline, tuple(sentences), _incomplete(evidence))


def _of_parts(
    evidence: Evidence, parts: Sequence[tuple[Evidence, Comparison | None]]
) -> Answer:
    """Return one answer from those of the parts of a sweep."""
    verdicts: dict[Verdict, list[str]] = {}
    sentences = []
    for part, compared in parts:
        label = ", ".join(part.part)
        verdict = "unknown" if compared is None else verdict_of(compared)
        verdicts.setdefault(verdict, []).append(label)
        if compared is None:
            words = [unknown(part)]
        else:
            words = [
                _what(compared, part),
                _why(compared, verdict, part),
                *beyond_ideal(part, compared),
            ]
        sentences.append(f"With {label}: {' '.join(words)}")
        sentences += [f"With {label}: {one}" for one in reuse.sentences(part)]
    sentences += [*_busy(evidence), *_disturbed(evidence)]
    ratios = sorted(compared.ratio for _, compared in parts if compared is not None)
    verdict = next(iter(verdicts)) if len(verdicts) == 1 else "mixed"
    headline = _headline_of_parts(verdict, verdicts, ratios)
    return Answer(verdict, headline, tuple(sentences), _incomplete(evidence))


def _headline_of_parts(
    verdict: Verdict, verdicts: Mapping[Verdict, Sequence[str]], ratios: Sequence[float]
) -> str:
    if verdict == "mixed":
        words = [f"{_SHORTLY[one]} with {' or '.join(of)}" for one, of in verdicts.items()]
        return f"It depends: {'; '.join(words)}."
    if verdict == "no":
        return "Do not distribute this."
    if not ratios:
        return "Nothing can be said about scaling yet."
    least, most = f"{ratios[0]:.2g}", f"{ratios[-1]:.2g}"
    times = least if least == most else f"{least} to {most}"
    return f"{_SHORTLY[verdict].capitalize()} in every case: {times} times as fast."


_SHORTLY: Mapping[Verdict, str] = {
    "yes": "worth distributing",
    "dear": "faster, at a price,",
    "no": "not worth it",
    "unknown": "not certain yet",
}


def verdict_of(compared: Comparison) -> Verdict:
    """Return whether distributing was worth it, by the ratio, its certainty and its price."""
    if compared.ratio < WORTH_RATIO or compared.eaten_up:
        return "no"
    if compared.repeats < 2:
        return "unknown"
    if not compared.distinct:
        return "no"
    return "yes" if compared.efficiency >= WORTH_EFFICIENCY else "dear"


def _headline(compared: Comparison, verdict: Verdict) -> str:
    times = f"{compared.ratio:.2g} times as fast as one machine"
    if verdict == "yes":
        return f"Worth distributing: {named(compared.best)} is {times}."
    if verdict == "dear":
        return f"Faster, at a price: {named(compared.best)} is {times}."
    if verdict == "unknown":
        return f"Not certain yet: {named(compared.best)} looks {times}."
    return "Do not distribute this."


def _what(compared: Comparison, evidence: Evidence) -> str:
    return (
        f"The fastest was {named(compared.best, evidence.part)} with a median of "
        f"{length(compared.best_seconds)}, against {length(compared.alone_seconds)} for "
        f"{named(compared.alone, evidence.part)}."
    )


def _why(compared: Comparison, verdict: Verdict, evidence: Evidence) -> str:
    share, nodes = f"{compared.efficiency:.0%}", compared.best.nodes
    factor = f"{compared.ratio:.2f}"
    more = max(3, evidence.plan.repeats + (1 if evidence.complete else 0))
    if verdict == "yes":
        return (
            f"That is {factor} times as fast on {nodes} nodes, an efficiency of {share}, and "
            "the runs of the two do not overlap."
        )
    if verdict == "dear":
        return (
            f"That is {factor} times as fast, but on {nodes} times the machines: each does "
            f"{share} of what one machine alone does. Distribute if time matters more than "
            "cost."
        )
    if verdict == "unknown":
        return (
            f"That is a factor of {factor}, but one of them was measured only once, which "
            "says nothing about the spread; the same command with "
            f"`--repeats {more}` settles it."
        )
    if compared.ratio <= 1:
        return "More machines made it slower: moving the work cost more than sharing it saved."
    if compared.eaten_up:
        return (
            f"The work itself is {factor} times as fast, but connecting, fetching the data and "
            f"warming up take {length(compared.best_ready)} before each run, against "
            f"{length(compared.alone_ready)} on {named(compared.alone)}: more than was saved."
        )
    if compared.repeats > 1 and not compared.distinct:
        return (
            f"The medians differ by a factor of {factor}, but their runs overlap: the "
            "measurements do not show that distributing helps."
        )
    return f"A factor of {factor} on {nodes} nodes does not pay for the effort."


def _engines(compared: Comparison, evidence: Evidence) -> Iterator[str]:
    best = compared.best
    for cell in evidence.clean:
        if cell.engine in (best.engine, PLAIN):
            continue
        if (cell.nodes, cell.variation) != (best.nodes, best.variation):
            continue
        own, other = evidence.seconds(best), evidence.seconds(cell)
        longer = spread(other).median / compared.best_seconds - 1
        if apart(own, other):
            yield f"{named(cell)} took {longer:.0%} longer than {best.engine.capitalize()}."
        else:
            yield (
                f"{named(cell)} took {longer:.0%} longer at the median, which the spread of "
                "the runs does not tell from chance."
            )


def _bringup(compared: Comparison, evidence: Evidence) -> Iterator[str]:
    seconds = [
        float(row.bringup.get("seconds") or 0.0)
        for cell, rows in evidence.clean.items()
        for row in rows
        if cell.engine == compared.best.engine and row.bringup.get("changed")
    ]
    if not seconds:
        return
    took, saved = max(seconds), compared.alone_seconds - compared.best_seconds
    words = f"Getting the engine onto the nodes took up to {length(took)}"
    if saved > 0 and compared.distinct and not compared.eaten_up:
        runs = math.ceil(took / saved)
        words += f", which {'one run pays' if runs == 1 else f'{runs} runs pay'} back"
    yield f"{words}."


def _cost(compared: Comparison, evidence: Evidence, prices: Prices | None) -> str:
    if prices is None:
        return (
            "The machines carry no prices, so nothing is said about cost; "
            "`fab report.build --price 0.10 --currency USD` shows what a node-hour of that "
            "price would make of it."
        )
    found = []
    for cell in (compared.best, compared.alone):
        costs = [prices.of_run(row) for row in evidence.clean[cell]]
        known = [cost for cost in costs if cost is not None]
        found.append(spread(known).median if known else None)
    best, alone = found
    if best is None or alone is None:
        return "Not every machine that was used carries a price, so nothing is said about cost."
    relation = " and not the"
    if alone:
        change = best / alone - 1
        relation = f", {abs(change):.0%} {'more' if change > 0 else 'less'} than the"
    what_if = " if a node-hour cost what you assumed" if prices.assumed else ""
    return (
        f"A run costs {amount(best, prices.currency)} there{relation} "
        f"{amount(alone, prices.currency)} of {named(compared.alone)}{what_if}."
    )


def unknown(evidence: Evidence) -> str:
    """Return why nothing can be said of evidence that has no comparison."""
    if not evidence.clean:
        return "Nothing can be said yet: no run ended undisturbed."
    if any(cell.nodes > 1 for cell in evidence.clean):
        return "Nothing can be said about scaling yet: no run on one node ended undisturbed."
    return "Nothing can be said about scaling: only one node was measured."


def _incomplete(evidence: Evidence) -> str | None:
    if not evidence.missing:
        return None
    trials = sum(
        1
        for run in evidence.missing
        for trial in run.trials
        if trial.trial_id not in evidence.results
    )
    failed = f", {len(evidence.failed)} failed" if evidence.failed else ""
    return (
        f"{len(evidence.missing)} of {len(evidence.runs)} planned runs lack results ({trials} "
        f"trials not done{failed}). The same command goes on where it stopped."
    )


def _busy(evidence: Evidence) -> Iterator[str]:
    """Warn where machines that share the operator's computer had to share it with others."""
    cores = evidence.plan.facts.get("operator_cores")
    loads = [row.load_before for rows in evidence.clean.values() for row in rows]
    if evidence.plan.facts.get("provider") != "local" or not cores or not loads:
        return
    before = spread(loads).median
    if before > BUSY_LOAD * float(cores):
        yield (
            f"This computer was busy with other work: its load average before a run was "
            f"{before:.1f} on {cores} cores, so take these times with care."
        )


def _disturbed(evidence: Evidence) -> Iterator[str]:
    count = len(evidence.left_out)
    if count:
        yield (
            f"{count} run{'s were' if count > 1 else ' was'} disturbed and left out of every "
            f"figure; the same command with `--repeats {evidence.plan.repeats + 1}` adds a "
            "clean repeat."
        )
