"""The fastest way of distributing the work, beside one machine."""

from collections.abc import Collection
from dataclasses import dataclass

from workloads.report.evidence import Evidence
from workloads.report.statistics import apart, spread
from workloads.sweeps.plan import PLAIN, Cell


@dataclass(frozen=True)
class Comparison:
    """The fastest way of distributing the work, beside one machine."""

    best: Cell
    best_seconds: float
    alone: Cell
    alone_seconds: float
    repeats: int
    distinct: bool
    best_ready: float
    alone_ready: float

    @property
    def eaten_up(self) -> bool:
        """Whether getting ready takes longer than sharing the work saves."""
        saved = self.alone_seconds - self.best_seconds
        return 0 < saved < self.best_ready - self.alone_ready

    @property
    def ratio(self) -> float:
        """How many times as fast as one machine."""
        return self.alone_seconds / self.best_seconds

    @property
    def efficiency(self) -> float:
        """The ratio as a part of the number of nodes."""
        return self.ratio / self.best.nodes


def compare(evidence: Evidence) -> Comparison | None:
    """Return the fastest cell of several nodes beside the fastest of one; None without both."""
    medians = {cell: spread(evidence.seconds(cell)).median for cell in evidence.clean}
    single = [cell for cell in medians if cell.nodes == 1]
    several = [cell for cell in medians if cell.nodes > 1]
    if not single or not several:
        return None
    alone = min(single, key=lambda cell: medians[cell])
    plain = evidence.baseline(alone)
    if plain in medians and not apart(evidence.seconds(alone), evidence.seconds(plain)):
        alone = plain
    best = min(several, key=lambda cell: medians[cell])
    ours, theirs = evidence.seconds(best), evidence.seconds(alone)
    return Comparison(
        best,
        medians[best],
        alone,
        medians[alone],
        min(len(ours), len(theirs)),
        apart(ours, theirs),
        evidence.ready(best),
        evidence.ready(alone),
    )


def named(cell: Cell, known: Collection[str] = ()) -> str:
    """Return a cell as people say it, without the settings that they know already.

    >>> named(Cell("ray", 3)), named(Cell("plain", 1))
    ('Ray on 3 nodes', 'one plain machine')
    >>> named(Cell("ray", 1, ("rows=100", "reuse=true")), known=["rows=100"])
    'Ray on 1 node (reuse=true)'
    """
    names = [name for name in cell.variation if name not in known]
    told = f" ({', '.join(names)})" if names else ""
    if cell.engine == PLAIN:
        return f"one plain machine{told}"
    nodes = f"{cell.nodes} node{'s' if cell.nodes > 1 else ''}"
    return f"{cell.engine.capitalize()} on {nodes}{told}"


def length(seconds: float) -> str:
    """Return a measured duration with three significant digits, in seconds.

    >>> length(0.08569), length(41.32), length(1234.5)
    ('0.0857 s', '41.3 s', '1234 s')
    """
    return f"{seconds:.0f} s" if seconds >= 100 else f"{seconds:#.3g} s"
