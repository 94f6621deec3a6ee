"""The answers of a sweep as figures and plain words: which engine, how many nodes, worth it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workloads.report import phases, resources
from workloads.report.answer import Verdict, unknown, verdict_of
from workloads.report.comparison import Comparison, compare, length, named
from workloads.report.costs import Prices, amount
from workloads.report.evidence import Evidence
from workloads.report.quality import best_score
from workloads.report.reuse import saves_work
from workloads.sweeps.plan import PLAIN, Cell


@dataclass(frozen=True)
class Ratio:
    """How many times as fast: of the medians, and of the worst and the best pair of runs."""

    value: float
    low: float
    high: float

    @property
    def words(self) -> str:
        """The ratio as people say it, with its range where one is known."""
        if self.low == self.high:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Finding:
    """What one part of a sweep says to someone who has to decide.

    `engine`, `nodes`, `variation` and `seconds` are of the fastest of several nodes; `alone`
    names the fastest of one. `one_node` compares with the same engine on one node, `plain`
    with the plain baseline, which is less work and more machines together where `saves_work`;
    `phases` are those of the fastest of several, in seconds.
    """

    workload: str
    part: tuple[str, ...]
    data: str
    verdict: Verdict
    sentences: tuple[str, ...]
    engine: str | None = None
    nodes: int | None = None
    variation: tuple[str, ...] = ()
    seconds: float | None = None
    repeats: int = 0
    alone: str = ""
    alone_seconds: float | None = None
    one_node_seconds: float | None = None
    one_node: Ratio | None = None
    plain_seconds: float | None = None
    plain: Ratio | None = None
    saves_work: bool = False
    efficiency: float | None = None
    efficiency_of_plain: float | None = None
    cost: float | None = None
    cost_alone: float | None = None
    currency: str = ""
    quality: float | None = None
    peak_memory_gib: float | None = None
    moved_mib: float | None = None
    phases: Mapping[str, float] | None = None

    def document(self) -> dict[str, Any]:
        """Return the finding for a program to read."""
        return asdict(self)


def findings(evidence: Evidence, prices: Prices | None) -> list[Finding]:
    """Return a finding for each part of a sweep that cannot be compared with the others."""
    return [_finding(evidence, part, prices) for part in evidence.parts()]


def _finding(whole: Evidence, evidence: Evidence, prices: Prices | None) -> Finding:
    compared, work = compare(evidence), evidence.work
    if compared is None:
        words = (unknown(evidence),)
        return Finding(work.workload, evidence.part, work.data_version, "unknown", words)
    best, alone = compared.best, compared.alone
    on_one, baseline = Cell(best.engine, 1, best.variation), evidence.baseline(best)
    one_node, plain = (_ratio(evidence, best, cell) for cell in (on_one, baseline))
    cost, cost_alone = (_cost(evidence, cell, prices) for cell in (best, alone))
    verdict = verdict_of(compared)
    less = saves_work(evidence, best)
    found = Finding(
        workload=work.workload,
        part=evidence.part,
        data=work.data_version,
        verdict=verdict,
        sentences=(),
        engine=best.engine,
        nodes=best.nodes,
        variation=tuple(name for name in best.variation if name not in evidence.part),
        seconds=compared.best_seconds,
        repeats=compared.repeats,
        alone=named(alone, evidence.part),
        alone_seconds=compared.alone_seconds,
        one_node_seconds=_median(evidence, on_one),
        one_node=one_node,
        plain_seconds=_median(evidence, baseline),
        plain=plain,
        saves_work=less,
        efficiency=one_node.value / best.nodes if one_node else None,
        efficiency_of_plain=plain.value / best.nodes if plain and not less else None,
        cost=cost,
        cost_alone=cost_alone,
        currency=prices.currency if prices else "",
        quality=best_score(evidence, best),
        peak_memory_gib=resources.median_of(evidence, best, resources.fullest),
        moved_mib=resources.median_of(evidence, best, resources.moved),
        phases=phases.spent(whole, best),
    )
    where = phases.sentence(whole, best, evidence.part) if verdict == "no" else ""
    return _told(found, evidence.part, compared, where)


def _told(found: Finding, part: Sequence[str], compared: Comparison, where: str) -> Finding:
    best = named(compared.best, part)
    took, alone = length(compared.best_seconds), length(compared.alone_seconds)
    if found.verdict == "no":
        first = (
            f"Do not distribute this: {found.alone} takes {alone}, and the fastest of several, "
            f"{best}, {took}."
        )
        if compared.eaten_up:
            first += (
                f" Getting ready takes it {length(compared.best_ready)}, more than sharing the "
                "work saves."
            )
    else:
        first = f"{_LEAD[found.verdict]} {best}: {took}, against {alone} for {found.alone}."
    rest = [*_ratios(found), *_costs(found)]
    words = [first, " ".join(rest), where]
    return Finding(**{**vars(found), "sentences": tuple(one for one in words if one)})


_LEAD: Mapping[Verdict, str] = {
    "yes": "Use",
    "dear": "If time matters more than cost, use",
    "unknown": "Not certain yet, measure again; so far the fastest is",
}


def _ratios(found: Finding) -> Sequence[str]:
    words = []
    if found.one_node and found.efficiency is not None:
        words.append(
            f"Against its own engine on one node it is {found.one_node.words} times as fast, "
            f"an efficiency of {found.efficiency:.0%}."
        )
    if found.plain:
        both = ", by less work and more machines together" if found.saves_work else ""
        words.append(
            f"Against one plain machine it is {found.plain.words} times as fast{both}."
        )
    return words


def _costs(found: Finding) -> Sequence[str]:
    if found.cost is None:
        return []
    words = f"A run costs {amount(found.cost, found.currency)}"
    if found.cost_alone:
        ratio = found.cost / found.cost_alone
        change = f"{abs(ratio - 1):.0%} {'more' if ratio > 1 else 'less'} than"
        words += f", {f'{ratio:.3g} times that of' if ratio >= 2 else change} {found.alone}"
    return [f"{words}."]


def _ratio(evidence: Evidence, best: Cell, base: Cell) -> Ratio | None:
    ours, theirs = evidence.seconds(best), evidence.seconds(base)
    if not ours or not theirs or base == best:
        return None
    value = statistics.median(theirs) / statistics.median(ours)
    return Ratio(value, min(theirs) / max(ours), max(theirs) / min(ours))


def _median(evidence: Evidence, cell: Cell) -> float | None:
    seconds = evidence.seconds(cell)
    return statistics.median(seconds) if seconds else None


def _cost(evidence: Evidence, cell: Cell, prices: Prices | None) -> float | None:
    found = [prices.of_run(row) for row in evidence.clean[cell]] if prices else []
    known = [one for one in found if one is not None]
    return statistics.median(known) if known else None


def engine_words(found: Finding) -> str:
    """Return the engine and the nodes to use, in a few words.

    >>> engine_words(Finding("knn", (), "digits", "no", (), engine="dask", nodes=2))
    'one plain machine'
    """
    if found.engine is None or found.nodes is None:
        return "not known"
    if found.verdict == "no":
        return found.alone or named(Cell(PLAIN, 1))
    return named(Cell(found.engine, found.nodes, found.variation))
