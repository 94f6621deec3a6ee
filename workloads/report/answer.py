"""The answer in words: which engine, how many nodes, was it worth it, at what cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from workloads.pace import span
from workloads.report.costs import Prices, amount
from workloads.report.evidence import Evidence
from workloads.report.statistics import apart, spread
from workloads.sweep import PLAIN, Cell

WORTH_RATIO = 1.25
WORTH_EFFICIENCY = 0.6

Verdict = Literal["yes", "dear", "no", "unknown"]


@dataclass(frozen=True)
class Answer:
    """A headline, and the sentences that say why."""

    verdict: Verdict
    headline: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """The fastest way of distributing the work, beside one machine."""

    best: Cell
    best_seconds: float
    alone: Cell
    alone_seconds: float
    distinct: bool

    @property
    def ratio(self) -> float:
        """How many times as fast as one machine."""
        return self.alone_seconds / self.best_seconds

    @property
    def efficiency(self) -> float:
        """The ratio as a part of the number of nodes."""
        return self.ratio / self.best.nodes


def answer(evidence: Evidence, prices: Prices | None) -> Answer:
    """Return what the measurements say to someone who has to decide."""
    compared = compare(evidence)
    if compared is None:
        return Answer("unknown", _unknown(evidence), tuple(_state(evidence)))
    verdict = _verdict(compared)
    sentences = [
        _what(compared),
        *_why(compared, verdict, evidence),
        *_engines(compared, evidence),
        *_bringup(compared, evidence),
        _cost(compared, evidence, prices),
        *_state(evidence),
    ]
    return Answer(verdict, _headline(compared, verdict), tuple(sentences))


def compare(evidence: Evidence) -> Comparison | None:
    """Return the fastest cell of several nodes beside the fastest of one; None without both."""
    medians = {cell: spread(evidence.seconds(cell)).median for cell in evidence.clean}
    single = [cell for cell in medians if cell.nodes == 1]
    several = [cell for cell in medians if cell.nodes > 1]
    if not single or not several:
        return None
    alone = min(single, key=lambda cell: medians[cell])
    plain = Cell(PLAIN, 1)
    if plain in medians and not apart(evidence.seconds(alone), evidence.seconds(plain)):
        alone = plain
    best = min(several, key=lambda cell: medians[cell])
    return Comparison(
        best,
        medians[best],
        alone,
        medians[alone],
        apart(evidence.seconds(best), evidence.seconds(alone)),
    )


def named(cell: Cell) -> str:
    """Return a cell as people say it.

    >>> named(Cell("ray", 3)), named(Cell("plain", 1))
    ('Ray on 3 nodes', 'one plain machine')
    """
    if cell.engine == PLAIN:
        return "one plain machine"
    return f"{cell.engine.capitalize()} on {cell.nodes} node{'s' if cell.nodes > 1 else ''}"


def _verdict(compared: Comparison) -> Verdict:
    if not compared.distinct or compared.ratio < WORTH_RATIO:
        return "no"
    return "yes" if compared.efficiency >= WORTH_EFFICIENCY else "dear"


def _headline(compared: Comparison, verdict: Verdict) -> str:
    times = f"{compared.ratio:.2g} times as fast as one machine"
    if verdict == "yes":
        return f"Worth distributing: {named(compared.best)} is {times}."
    if verdict == "dear":
        return f"Faster, at a price: {named(compared.best)} is {times}."
    return "Do not distribute this."


def _what(compared: Comparison) -> str:
    return (
        f"The fastest was {named(compared.best)} with a median of "
        f"{compared.best_seconds:.1f} s, against {compared.alone_seconds:.1f} s for "
        f"{named(compared.alone)}."
    )


def _why(compared: Comparison, verdict: Verdict, evidence: Evidence) -> Iterator[str]:
    share = f"{compared.efficiency:.0%}"
    if verdict == "yes":
        yield (
            f"That is {compared.ratio:.2f} times as fast on {compared.best.nodes} nodes, an "
            f"efficiency of {share}, and the runs of the two do not overlap."
        )
    elif verdict == "dear":
        yield (
            f"That is {compared.ratio:.2f} times as fast, but on {compared.best.nodes} times "
            f"the machines: each does {share} of what one machine alone does. Distribute if "
            "time matters more than cost."
        )
    elif compared.ratio <= 1:
        yield "More machines made it slower: moving the work cost more than sharing it saved."
    elif not compared.distinct:
        repeats = min(
            len(evidence.seconds(compared.best)), len(evidence.seconds(compared.alone))
        )
        known = (
            "each was measured once, which says nothing about their spread"
            if repeats < 2
            else "their runs overlap"
        )
        yield (
            f"The medians differ by a factor of {compared.ratio:.2f}, but {known}: the "
            "measurements do not show that distributing helps."
        )
    else:
        yield (
            f"A factor of {compared.ratio:.2f} on {compared.best.nodes} nodes does not pay "
            "for the effort."
        )


def _engines(compared: Comparison, evidence: Evidence) -> Iterator[str]:
    best = compared.best
    for cell in evidence.clean:
        if cell.nodes != best.nodes or cell.engine in (best.engine, PLAIN):
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
        float(row.bringup["seconds"])
        for row in evidence.clean[compared.best]
        if row.bringup.get("changed") and "seconds" in row.bringup
    ]
    if not seconds:
        return
    took = spread(seconds).median
    saved = compared.alone_seconds - compared.best_seconds
    words = f"Getting the engine onto the nodes took {took:.1f} s"
    if saved > 0 and compared.distinct:
        runs = max(1, round(took / saved + 0.5))
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


def _unknown(evidence: Evidence) -> str:
    if not evidence.clean:
        return "Nothing can be said yet: no run ended undisturbed."
    if any(cell.nodes > 1 for cell in evidence.clean):
        return "Nothing can be said about scaling yet: no run on one node ended undisturbed."
    return "Nothing can be said about scaling: only one node was measured."


def _state(evidence: Evidence) -> Iterator[str]:
    if evidence.missing:
        trials = sum(
            1
            for run in evidence.missing
            for trial in run.trials
            if trial.trial_id not in evidence.results
        )
        failed = f", {len(evidence.failed)} failed" if evidence.failed else ""
        yield (
            f"The sweep is incomplete: {len(evidence.missing)} of {len(evidence.runs)} runs "
            f"lack results ({trials} trials not done{failed}). The same `fab sweep.run` goes "
            "on."
        )
    if evidence.left_out:
        count = len(evidence.left_out)
        again = evidence.plan.repeats + 1
        yield (
            f"{count} run{'s were' if count > 1 else ' was'} disturbed and left out of every "
            f"figure; `fab sweep.run --repeats {again}` adds a clean repeat."
        )


def length(seconds: float) -> str:
    """Return a measured duration: with a decimal below a minute, as people say it above."""
    return f"{seconds:.1f} s" if seconds < 60 else span(seconds)
