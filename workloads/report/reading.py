"""A sweep as a report sees it: its journal, what may be compared in it, and the answers."""

from dataclasses import dataclass
from pathlib import Path

from workloads.report.answer import Answer, answer
from workloads.report.costs import Prices, assumed_prices, prices_of
from workloads.report.evidence import Evidence, gather
from workloads.report.worth import Finding, findings
from workloads.sweeps.history import read_history
from workloads.sweeps.journal import Journal
from workloads.sweeps.records import RunRecord
from workloads.sweeps.results import JOURNAL


@dataclass(frozen=True)
class Reading:
    """One sweep: where it is, its rows as they were recorded, and what they come to."""

    folder: Path
    rows: tuple[RunRecord, ...]
    evidence: Evidence
    prices: Prices | None
    answer: Answer
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.folder.name


def read(folder: Path, *, price: float | None = None, currency: str = "") -> Reading:
    """Return what the journal in a sweep's results folder says.

    Parameters
    ----------
    folder : Path
        The results folder of the sweep; its last part is the sweep's name.
    price, currency
        Assume this price of a node-hour in place of what the inventory says.

    Raises
    ------
    UsageError
        If there is no journal in the folder, or a newer version wrote it.
    """
    journal = Journal(folder / JOURNAL)
    reading = journal.read()
    history = read_history(reading.records)
    evidence = gather(history, damaged=max(journal.quarantined(), len(reading.damaged)))
    machines = evidence.plan.machines
    prices = prices_of(machines)
    if price is not None:
        prices = assumed_prices(machines, price, currency)
    return Reading(
        folder,
        tuple(history.rows),
        evidence,
        prices,
        answer(evidence, prices),
        tuple(findings(evidence, prices)),
    )
