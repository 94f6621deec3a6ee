"""Bring-up of three nodes as a user types it: start, start again, switch engines.

The environment is in place, as on any second day; all checks and probes are included. Ray's
dashboard starts when somebody asks for it, so its time stands apart.

    python -m bench.bring_up --repeats 5
"""

import argparse
import json
import os
import time
from dataclasses import dataclass, field
from typing import Any

from bench.machine import facts, keep, spread
from bench.machines import Cluster, cluster

# Name of the figure, engine to start, whether everything is stopped before it.
ROUND = (
    ("ray start", "ray", True),
    ("ray again", "ray", False),
    ("switch ray to dask", "dask", False),
    ("dask again", "dask", False),
    ("switch dask to ray", "ray", False),
    ("dask start", "dask", True),
)
TO_REACH = {
    "ray start": 13.0,
    "dask start": 4.5,
    "ray again": 3.0,
    "dask again": 3.0,
}
SWITCH_MARGIN = 3.0


@dataclass
class Measured:
    """The repeats of one figure: typed to done, and the verb's own account of it."""

    typed: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    phases: list[dict[str, dict[str, float]]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        return {
            "typed_to_done": spread(self.typed),
            "bring_up": spread(self.inside),
            "load": spread(self.load),
            "things_changed": self.changed,
            "phases_of_last": self.phases[-1],
        }


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cpus", type=float, default=0.6)
    parser.add_argument("--nodes", type=int, default=3)
    options = parser.parse_args()
    machine = facts()
    found = {name: Measured() for name, _, _ in ROUND}
    dashboard: list[float] = []
    with cluster(nodes=options.nodes, cpus=options.cpus) as made:
        for repeat in range(options.repeats + 1):
            for name, engine, from_nothing in ROUND:
                measure(made, options.nodes, engine, from_nothing, found[name])
                print(f"{repeat or 'warm-up'!s:8} {name:20} {found[name].typed[-1]:6.2f} s")
                if name == "ray again":
                    dashboard.append(open_dashboard(made))
            if not repeat:
                found = {name: Measured() for name, _, _ in ROUND}
                dashboard.clear()
    figures = {name: one.document() for name, one in found.items()}
    figures["ray dashboard, on demand"] = {"typed_to_done": spread(dashboard)}
    print(f"kept in {keep('bring_up', machine, figures)}")
    for name, figure in figures.items():
        print(line(name, figure["typed_to_done"], limit(name, figures)))


def measure(made: Cluster, nodes: int, engine: str, from_nothing: bool, into: Measured) -> None:
    """Type one `fab cluster.start` and note how long it took."""
    if from_nothing:
        made.fab("cluster.stop")
    into.load.append(os.getloadavg()[0])
    begin = time.monotonic()
    text = made.fab("cluster.start", "--nodes", str(nodes), "--engine", engine, "--json")
    into.typed.append(time.monotonic() - begin)
    answer = json.loads(text)
    into.changed.append(len(answer["changed"]))
    into.inside.append(answer["seconds"])
    into.phases.append(answer["endpoint"]["phases"])


def open_dashboard(made: Cluster) -> float:
    """Return the seconds until Ray's dashboard can be opened, the first time."""
    begin = time.monotonic()
    made.fab("cluster.dashboard", "--seconds", "1", "--json")
    return time.monotonic() - begin - 1.0


def limit(name: str, figures: dict[str, Any]) -> float | None:
    """Return what a figure is to stay below."""
    if name.startswith("switch"):
        return float(figures["ray start"]["typed_to_done"]["median"]) + SWITCH_MARGIN
    return TO_REACH.get(name)


def line(name: str, figure: dict[str, Any], most: float | None) -> str:
    """Return a figure as a line of a table."""
    target = f"to reach {most:.1f} s" if most is not None else ""
    span = f"({figure['min']}-{figure['max']})"
    return f"{name:26} median {figure['median']:6.2f} s  {span:20} {target}"


if __name__ == "__main__":
    main()
