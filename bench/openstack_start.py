"""Seconds of `fab cluster.start` with workers behind the head, beside workers reached directly.

    python -m bench.openstack_start --repeats 5
    python -m bench.openstack_start --try        two machines, once each, and nothing is kept

The cloud is the test bed: OpenStack's own services, with containers beside each other on this
computer as servers. For the direct way the same workers are given floating addresses and are
reached by these; nothing else differs, and both ways take turns. The machines have the locked
environment, and their first contact is over.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.machine import facts, keep, spread
from contracts import inventory as inventories
from contracts.progress import tell_nobody
from infra import local_nodes, node_image
from tests.doubles.openstack import bed
from tests.doubles.openstack.content import EXTERNAL
from tests.doubles.openstack.places import usual
from tests.integration.openstack_clusters import stack_of
from tests.integration.openstack_machines import MachineCluster, await_ssh, machine_cluster

MOST_TIMES = 1.3
ENGINES = ("dask", "ray")


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--cpus", type=float, default=0.6)
    parser.add_argument("--try", dest="trial", action="store_true", help="that it works")
    options = parser.parse_args()
    if options.trial:
        options.repeats, options.nodes = 1, 2
    os.environ["TANDEM_TEST_CPUS"] = str(options.cpus)
    machine = facts()
    figures: dict[str, Any] = {"nodes": options.nodes, "cpus": options.cpus}
    with machines(options.nodes) as (cluster, ways):
        for engine in ENGINES:
            figures[engine] = measure(cluster, ways, options.nodes, engine, options.repeats)
    for engine in ENGINES:
        ratio = figures[engine]["times_direct"]
        print(f"{engine:6} {ratio:.2f} times the direct way  to reach {MOST_TIMES}")
    if not options.trial:
        print(f"kept in {keep('openstack_start', machine, figures)}")


@contextlib.contextmanager
def machines(nodes: int) -> Iterator[tuple[MachineCluster, dict[str, Path]]]:
    """Have machines for the block, and an inventory for each way to reach them."""
    with tempfile.TemporaryDirectory(prefix="tandem-bench-openstack-") as name:
        folder, clouds = Path(name), bed.start(usual())
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(clouds)
        node_image.ensure(local_nodes.LOCK, folder, tell_nobody)
        try:
            with machine_cluster(folder, clouds) as cluster, stack_of(cluster, folder) as stack:
                stack.settings["nodes"] = nodes
                made = stack.up()
                if not made.succeeded:
                    raise SystemExit(f"up: {made.told()}")
                for node in cluster.inventory().nodes:
                    await_ssh(cluster, node)
                typed(cluster, "cluster.start", "--nodes", str(nodes), "--engine", ENGINES[0])
                with direct(cluster, folder) as path:
                    through = cluster.state / "inventory.json"
                    yield cluster, {"through the head": through, "direct": path}
                typed(cluster, "cluster.stop")
        finally:
            bed.stop(usual())


@contextlib.contextmanager
def direct(cluster: MachineCluster, folder: Path) -> Iterator[Path]:
    """Give every worker an address outside for the block, and an inventory of these."""
    network, known = cluster.link.network, cluster.inventory()
    outside = network.find_network(EXTERNAL[0], ignore_missing=False)
    made, nodes = [], [known.head]
    try:
        for node in known.nodes[1:]:
            (port,) = network.ports(device_id=node.instance_id)
            one = network.create_ip(floating_network_id=outside.id, port_id=port.id)
            made.append(one)
            where = {"ssh_host": one.floating_ip_address, "jump": None}
            nodes.append(dataclasses.replace(node, **where))
        path = folder / "direct.json"
        inventories.dump(dataclasses.replace(known, nodes=tuple(nodes)), path)
        yield path
    finally:
        for one in made:
            network.delete_ip(one)


def measure(
    cluster: MachineCluster, ways: dict[str, Path], nodes: int, engine: str, repeats: int
) -> dict[str, Any]:
    """Start an engine from nothing by each way in turn."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    phases: dict[str, Any] = {}
    for repeat in range(repeats + 1):
        for name, path in ways.items():
            typed(cluster, "cluster.stop")
            words = ("--nodes", str(nodes), "--engine", engine, "--inventory", str(path))
            seconds, answer = typed(cluster, "cluster.start", *words)
            print(
                f"{repeat or 'warm-up'!s:8} {engine:5} {name:18} {seconds:6.2f} s", flush=True
            )
            if repeat:
                found[name].append(seconds)
            phases[name] = answer["endpoint"]["phases"]
    spreads = {name: spread(values) for name, values in found.items()}
    times = spreads["through the head"]["median"] / spreads["direct"]["median"]
    return {**spreads, "times_direct": round(times, 3), "phases_of_last": phases}


def typed(cluster: MachineCluster, *words: str) -> tuple[float, Any]:
    """Run a verb that has to succeed; return its seconds and its answer."""
    begin = time.monotonic()
    done = cluster.fab(*words, "--json", timeout=1200)
    seconds = time.monotonic() - begin
    if done.code:
        raise SystemExit(f"fab {' '.join(words)} ended with {done.code}:\n{done.err}")
    return seconds, json.loads(done.out)


if __name__ == "__main__":
    main()
