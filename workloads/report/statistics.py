"""Medians, spread, and the two laws of scaling, with honest intervals."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.stats import t as student

CONFIDENCE = 0.95
SURELY_ABOVE = 0.001
WIDEST = 20.0  # of a logarithm or of a share of 1: wider says nothing


@dataclass(frozen=True)
class Spread:
    """The middle of a few measurements and how far they lie apart, all in their own unit."""

    count: int
    median: float
    low: float
    high: float
    least: float
    most: float

    @property
    def relative(self) -> float:
        """The range from least to most as a part of the median."""
        return (self.most - self.least) / self.median if self.median else 0.0


@dataclass(frozen=True)
class Estimate:
    """A fitted value; `low` and `high` are None where no interval can be given."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Law:
    """A law of scaling, fitted to the times of one engine.

    `one_node` is the time on one node in seconds, `values` the law's own parameters, and
    `note` what a reader must know before believing them.
    """

    name: str
    one_node: Estimate
    values: Mapping[str, Estimate]
    note: str | None

    def speed_up(self, nodes: float) -> float:
        """Return how many times as fast as one node the law says that `nodes` are."""
        share = _SHARES[self.name](nodes, *(one.value for one in self.values.values()))
        return float(1 / share)

    @property
    def ceiling(self) -> str | None:
        """What the law says of the most that nodes can do, where the runs are sure of it."""
        low = list(self.values.values())[-1].low
        if low is None or low < SURELY_ABOVE:
            return None
        if self.name == "Amdahl":
            serial = self.values["serial share"]
            return f"no number of nodes is more than {1 / serial.value:.3g} times as fast"
        peak = math.sqrt((1 - self.values["contention"].value) / self.values["coherence"].value)
        if peak < 1.5:
            return "no number of nodes is faster than one"
        return f"more than about {peak:.0f} nodes make it slower again"

    def seconds(self, nodes: float) -> float:
        """Return the time that the law says for `nodes` nodes."""
        return self.one_node.value / self.speed_up(nodes)


def spread(values: Sequence[float]) -> Spread:
    """Return middle and spread of at least one measurement."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return Spread(len(values), float(median), float(low), float(high), min(values), max(values))


def apart(one: Sequence[float], two: Sequence[float]) -> bool:
    """Return whether every value of one lies on the same side of every value of the other.

    With a single value on each side nothing is known of their spread: then False.
    """
    if len(one) < 2 or len(two) < 2:
        return False
    return max(one) < min(two) or max(two) < min(one)


def fit_laws(times: Mapping[int, Sequence[float]]) -> list[Law]:
    """Fit Amdahl's law and the Universal Scalability Law, each where the data allow it.

    Parameters
    ----------
    times : mapping
        Seconds of every comparable run, by number of nodes.
    """
    points = [(nodes, value) for nodes, values in times.items() for value in values]
    laws = [_fit(name, points) for name in _SHARES]
    return [law for law in laws if law is not None]


def _amdahl(nodes: float, serial: float) -> float:
    return serial + (1 - serial) / nodes


def _usl(nodes: float, contention: float, coherence: float) -> float:
    return (1 + contention * (nodes - 1) + coherence * nodes * (nodes - 1)) / nodes


_SHARES: dict[str, Callable[..., Any]] = {"Amdahl": _amdahl, "USL": _usl}
_PARAMETERS = {"Amdahl": ("serial share",), "USL": ("contention", "coherence")}


def _fit(name: str, points: Sequence[tuple[int, float]]) -> Law | None:
    counts = sorted({nodes for nodes, _ in points})
    own = _PARAMETERS[name]
    unknown = 1 + len(own)
    if len(counts) < unknown:
        return None
    nodes = np.array([one for one, _ in points], dtype=float)
    logs = np.log([value for _, value in points])

    def model(at: np.ndarray, log_one: float, *values: float) -> np.ndarray:
        share: np.ndarray = _SHARES[name](at, *values)
        return np.asarray(log_one + np.log(share))

    start = [float(logs[nodes == counts[0]].mean()), *([0.05] * len(own))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)
        best, covariance = curve_fit(
            model, nodes, logs, p0=start,
            bounds=([-math.inf, *([0.0] * len(own))], [math.inf, *([1.0] * len(own))]),
            max_nfev=5000,
        )  # fmt: skip
    halves = _half_widths(covariance, len(points) - unknown)
    log_one, *values = (float(one) for one in best)
    return Law(
        name,
        _estimate(log_one, halves[0], -math.inf, math.inf, math.exp),
        {
            label: _estimate(value, half, 0.0, 1.0, float)
            for label, value, half in zip(own, values, halves[1:], strict=True)
        },
        _note(len(points), len(counts), unknown),
    )


def _half_widths(covariance: np.ndarray, freedom: int) -> list[float | None]:
    """Return half the width of each parameter's interval; None where there is none."""
    if freedom < 1:
        return [None] * len(covariance)
    quantile = float(student.ppf(0.5 + CONFIDENCE / 2, freedom))
    widths = quantile * np.sqrt(np.diag(covariance))
    return [float(width) if width < WIDEST else None for width in widths]


def _estimate(
    value: float,
    half: float | None,
    least: float,
    most: float,
    scale: Callable[[float], float],
) -> Estimate:
    if half is None:
        return Estimate(scale(value))
    low, high = max(least, value - half), min(most, value + half)
    return Estimate(scale(value), scale(low), scale(high))


def _note(points: int, counts: int, unknown: int) -> str | None:
    if points <= unknown:
        return f"{points} runs for {unknown} unknowns: too few for an interval"
    if counts == unknown:
        return (
            f"{counts} node counts for {unknown} unknowns cannot put the law to the test; the "
            "interval tells only how far the repeats scatter"
        )
    return None
