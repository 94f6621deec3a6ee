"""The machines as a sweep sees them: what it stands on, and what it asks of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workloads.runs import RunSpec
from workloads.sweeps.plan import Cell

Timeline = Mapping[str, Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class Footing:
    """What a run stands on: the engine as it answers now, on exactly the nodes of its cell.

    `nodes` are inventory names, head first, and the keys of `addresses` and `slots`.
    `bringup` is recorded with the run: `seconds` in all, `changed` (what had to be done), and
    `phases`, the seconds of each step per node.
    """

    address: str
    nodes: tuple[str, ...]
    addresses: Mapping[str, str]
    slots: Mapping[str, int]
    credentials: Mapping[str, str]
    home: str
    bringup: Mapping[str, Any]


class Cluster(Protocol):
    """What a sweep asks of the machines. A run is named by its folder on the head."""

    def start(self, cell: Cell) -> Footing:
        """Bring up the engine of a cell on its number of nodes, or change nothing."""

    def launch(self, spec: RunSpec) -> None:
        """Start the driver of a run on the head, detached from this process."""

    def follow(self, folder: str) -> Iterator[bytes]:
        """Yield what a driver wrote, from its beginning, and stop after the driver ended.

        Yields empty bytes now and then while the driver is silent, and ends at once where
        there is no such folder.
        """

    def stop(self, folder: str) -> None:
        """End a driver and the work it has under way; nothing if it has ended."""

    def timeline(self, nodes: Sequence[str], since_seconds: float) -> Timeline:
        """Return what each node sampled since then.

        Each node has the lists `seconds` (0 is `since_seconds` ago), `cpu` (the share of the
        node's CPUs in use, 0 to 1), `memory` (bytes in use), `sent` and `received` (bytes by
        the network since the first sample, without the loopback).
        """

    def fetch(self, folder: str, name: str) -> bytes | None:
        """Return a part of a run's profile, or a byte more than it may have; None if none."""


def clipped(timeline: Timeline, seconds: float, *, points: int = 240) -> Timeline:
    """Return the samples of the first `seconds`, thinned out to at most `points` a node.

    A sample that is no number is left out. A sample that stands for others has the most
    memory and the latest of all else, so that neither a peak nor a sum is lost.
    """
    result = {}
    for node, series in timeline.items():
        samples = zip(*series.values(), strict=False)
        kept = [
            sample
            for sample in (dict(zip(series, one, strict=True)) for one in samples)
            if all(math.isfinite(value) for value in sample.values())
            and 0 <= sample["seconds"] <= seconds
        ]
        step = max(1, -(-len(kept) // points))
        groups = [kept[at : at + step] for at in range(0, len(kept), step)]
        result[node] = {
            name: [
                round(float(max(values) if name == "memory" else values[-1]), 3)
                for values in ([one[name] for one in group] for group in groups)
            ]
            for name in series
        }
    return result
