"""What the test bed of OpenStack takes, and what a stack takes on it.

    python -m bench.openstack_bed --repeats 3
    python -m bench.openstack_bed --install      and how long its environment takes to make
    python -m bench.openstack_bed --try          once each, and nothing is kept

A bed of its own is made in a temporary folder and started with empty databases, stopped,
started from what it kept, and its memory counted. Then a cluster of three is made on it,
checked by `fab doctor` and destroyed; its servers are records, so that the figures are those
of services, engine and plugin. The engine is the real one where it and its plugin are on PATH.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.machine import facts, keep, spread
from tests.command_line import fab
from tests.doubles.openstack import bed, environment
from tests.doubles.openstack.places import Bed, at, usual
from tests.integration import openstack_clusters
from tests.integration.openstack_clusters import (
    OpenStackCluster,
    missing_programs,
    real_stack_of,
    stack_of,
)

TO_REACH = {
    "first start": 120.0,
    "start from cache": 30.0,
    "memory MiB": 2048.0,
    "up of three": 25.0,
    "destroy": 15.0,
    "doctor": 5.0,
}
PORTS_BESIDE = 200


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--install", action="store_true", help="make the environment, too")
    parser.add_argument("--try", dest="trial", action="store_true", help="that it works")
    options = parser.parse_args()
    if options.trial:
        options.repeats = 1
    machine = facts()
    with tempfile.TemporaryDirectory(prefix="tandem-bench-bed-") as name:
        own = at(Path(name), usual().first_port + PORTS_BESIDE)
        figures = measure(own, Path(name), options.repeats, install=options.install)
    for figure, most in TO_REACH.items():
        found = figures[figure]["median"]
        print(f"{figure:18} median {found:8.2f}  to reach {most:.0f}")
    if not options.trial:
        print(f"kept in {keep('openstack_bed', machine, figures)}")


def measure(own: Bed, folder: Path, repeats: int, *, install: bool) -> dict[str, Any]:
    """Start the bed again and again, and make clusters on it."""
    found: dict[str, list[float]] = {name: [] for name in TO_REACH}
    figures: dict[str, Any] = {}
    if install:
        figures["environment"] = spread([seconds(lambda: environment.make(own))])
    else:
        environment.make(usual())
        own.environment.symlink_to(usual().environment)
    try:
        for _ in range(repeats):
            bed.wipe(own)
            note(found, "first start", seconds(lambda: bed.start(own)))
            bed.stop(own)
            note(found, "start from cache", seconds(lambda: bed.start(own)))
            note(found, "memory MiB", memory_mib(own))
        engine = clusters(own, folder, repeats, found)
    finally:
        bed.wipe(own)
    for name, values in found.items():
        figures[name] = spread(values)
    return {**figures, "engine": engine}


def clusters(own: Bed, folder: Path, repeats: int, found: dict[str, list[float]]) -> str:
    """Make and destroy clusters of three; return what drove them."""
    clouds = own.root / "clouds.yaml"
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(clouds)
    for repeat in range(repeats + 1):
        place = folder / f"cluster-{repeat}"
        place.mkdir()
        with (
            openstack_clusters.new_cluster(place, clouds) as cluster,
            engine_of(cluster, place) as (engine, stack),
        ):
            stack.settings["nodes"] = 3
            up = seconds(lambda: succeed(stack.up()))
            doctor = seconds(lambda: checked(cluster))
            destroy = seconds(lambda: succeed(stack.destroy()))
        # The first one has to read much from the disk that later ones find in memory.
        if repeat:
            for name, value in (("up of three", up), ("doctor", doctor), ("destroy", destroy)):
                note(found, name, value)
    return engine


@contextmanager
def engine_of(cluster: OpenStackCluster, folder: Path) -> Iterator[tuple[str, Any]]:
    """Give a stack by the real engine where there is one, else by its double."""
    if missing_programs():
        with stack_of(cluster, folder) as stack:
            yield "double", stack
    else:
        with real_stack_of(cluster, folder) as stack:
            yield "real", stack


def checked(cluster: OpenStackCluster) -> None:
    """Run `fab doctor`, which may find something to say of this computer."""
    variables = {**cluster.variables}
    del variables["TANDEM_STATE"]
    done = fab("doctor", "--stack", "ssc", "--json", state=cluster.state, **variables)
    if not done.out:
        raise SystemExit(f"fab doctor ended with {done.code}:\n{done.err}")


def succeed(outcome: Any) -> None:
    """Stop if a step failed."""
    if not outcome.succeeded:
        raise SystemExit(outcome.told())


def memory_mib(own: Bed) -> float:
    """Return the memory of all of the bed's processes; what they share is counted once."""
    leaders = {one.read_text().split()[0] for one in (own.run / "pids").iterdir()}
    total = 0
    for folder in Path("/proc").iterdir():
        try:
            # The field after the name, of which the fourth is the session.
            session = (folder / "stat").read_text().rpartition(")")[2].split()[3]
            if session in leaders:
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += sum(int(one.split()[1]) for one in lines if one.startswith("Pss:"))
        except (OSError, IndexError):
            continue
    return total / 1024


def seconds(work: Callable[[], Any]) -> float:
    """Return how long something takes."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def note(found: dict[str, list[float]], name: str, value: float) -> None:
    """Keep a value and tell it."""
    found[name].append(value)
    print(f"{name:18} {value:8.2f}  of {statistics.median(found[name]):8.2f}", flush=True)


if __name__ == "__main__":
    main()
