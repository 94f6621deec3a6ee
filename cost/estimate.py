"""What a cluster would cost, before there is one."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from contracts.aws_prices import CURRENCY
from cost.prices import Price, Prices

ON_DEMAND, SPOT = "on-demand", "spot"


@dataclass(frozen=True)
class Shape:
    """What is to be: the head's type, one type for each worker, disks, and for how long.

    The head is always on demand. `disk_gib` is of each machine. `machine_price` replaces what
    AWS asks for a machine and hour.
    """

    head_type: str
    worker_types: tuple[str, ...]
    workers: str
    disk_gib: float
    hours: float
    machine_price: float | None = None

    @property
    def nodes(self) -> int:
        """How many machines there are."""
        return 1 + len(self.worker_types)


@dataclass(frozen=True)
class Line:
    """One row of a bill: `count` things at `hourly` an hour each."""

    what: str
    count: int
    hourly: float
    source: str

    @property
    def total_hourly(self) -> float:
        """What all of them cost in an hour."""
        return self.count * self.hourly


@dataclass(frozen=True)
class Estimate:
    """The rows of a bill, and what they come to."""

    lines: tuple[Line, ...]
    hours: float
    causes: tuple[str, ...] = ()
    currency: str = CURRENCY

    @property
    def hourly(self) -> float:
        """What everything costs in an hour."""
        return sum(line.total_hourly for line in self.lines)

    @property
    def total(self) -> float:
        """What it all costs in the hours that were asked for."""
        return self.hourly * self.hours

    def document(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "currency": self.currency,
            "hours": self.hours,
            "hourly": round(self.hourly, 6),
            "total": round(self.total, 6),
            "lines": [
                {**vars(line), "total": round(line.total_hourly * self.hours, 6)}
                for line in self.lines
            ],
            "sources": sorted({line.source for line in self.lines}),
            "why_not_aws": list(self.causes),
        }


def estimate(shape: Shape, prices: Prices) -> Estimate:
    """Work out what a cluster of that shape costs: machines, disks and public addresses.

    Every machine has one public address; what is stored in the bucket and sent out of the
    region is not in it, because it is not known before.

    Raises
    ------
    UsageError
        If the price of a machine is not known.
    """

    def of(instance_type: str, market: str) -> Price:
        if shape.machine_price is not None:
            return Price(shape.machine_price, "--price")
        return prices.machine(instance_type, market)

    counted = Counter((one, shape.workers) for one in shape.worker_types)
    machines = [(f"head {shape.head_type}, on demand", 1, of(shape.head_type, ON_DEMAND))]
    for (instance_type, market), count in sorted(counted.items()):
        words = f"worker {instance_type}, {market.replace('-', ' ')}"
        machines.append((words, count, of(instance_type, market)))
    disk = prices.disk(shape.disk_gib)
    rest = [
        (f"disk of {shape.disk_gib:g} GiB, gp3", shape.nodes, disk),
        ("public IPv4 address", shape.nodes, prices.address()),
    ]
    lines = [Line(what, count, one.hourly, one.source) for what, count, one in machines + rest]
    return Estimate(tuple(lines), shape.hours, tuple(prices.causes))


def hours_within(budget: float, hourly: float) -> float:
    """Return for how many hours a budget lasts; a cluster that costs nothing lasts for ever."""
    return budget / hourly if hourly > 0 else float("inf")
