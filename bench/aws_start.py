"""Seconds of `fab cluster.start` on fresh machines of a cloud, without and with a baked image.

    python -m bench.aws_start --repeats 3
    python -m bench.aws_start --try          one machine, once each, and nothing is kept

The cloud is the double of the tests: its machines are containers beside each other on this
computer, so they share its processors and its way to the package index. Download, install and
compilation are told apart as uv tells them. `preview` with nothing to change is that of the
double of Pulumi's engine, with the program and the plugins started anew for each.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import facts, keep, spread
from tests.doubles.aws.account import cloud
from tests.doubles.pulumi_stack import PulumiStack
from tests.doubles.warm_python import warm_python
from tests.integration import aws_clusters
from tests.integration.aws_clusters import AwsCluster

TO_REACH = {"unbaked": 45.0, "baked": 15.0, "preview without a change": 10.0}
PARTS = ("download", "install", "compile")


@dataclass
class Starts:
    """The starts on one kind of machine: typed to done, and the steps of each node."""

    typed: list[float] = field(default_factory=list)
    phases: list[dict[str, dict[str, float]]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the figures; of a part, the seconds of the node that took longest."""
        parts = {
            part: spread([max(_of(part, nodes)) for nodes in self.phases])
            for part in PARTS
            if all(_of(part, nodes) for nodes in self.phases)
        }
        return {
            "typed_to_done": spread(self.typed),
            "longest_of_a_node": parts,
            "phases_of_last": self.phases[-1],
        }


def _of(part: str, nodes: dict[str, dict[str, float]]) -> list[float]:
    return [steps[part] for steps in nodes.values() if part in steps]


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--cpus", type=float, default=0.6)
    parser.add_argument("--try", dest="trial", action="store_true", help="that it works")
    options = parser.parse_args()
    if options.trial:
        options.repeats = options.nodes = 1
    os.environ["TANDEM_TEST_CPUS"] = str(options.cpus)
    machine = facts()
    figures = {"nodes": options.nodes, "cpus": options.cpus}
    with tempfile.TemporaryDirectory(prefix="tandem-bench-aws-") as name:
        figures |= measure(Path(name), options.nodes, options.repeats)
    for figure, most in TO_REACH.items():
        found = figures[figure]["typed_to_done"]["median"]
        print(f"{figure:26} median {found:6.2f} s  to reach {most:.0f} s")
    if not options.trial:
        print(f"kept in {keep('aws_start', machine, figures)}")


def measure(folder: Path, nodes: int, repeats: int) -> dict[str, Any]:
    """Start clusters on unbaked machines, bake, start on baked ones, and preview."""
    unbaked, baked, previews = Starts(), Starts(), []
    with (
        cloud(folder / "cloud", machines=True) as account,
        warm_python(aws_clusters.MODULES) as warm,
    ):
        cluster = aws_clusters.new_cluster(folder, account)
        stack = aws_clusters.double_of(cluster, folder, warm)
        stack.settings["nodes"] = nodes
        del stack.settings["image"]
        for left in reversed(range(repeats)):
            with up(stack):
                start(cluster, nodes, unbaked)
                if not left:
                    image, seconds = bake(cluster)
        stack.settings["image"] = image
        for left in reversed(range(repeats)):
            with up(stack):
                start(cluster, nodes, baked)
                if not left:
                    previews = [preview(cluster, folder, stack) for _ in range(repeats)]
    return {
        "unbaked": unbaked.document(),
        "baked": baked.document(),
        "image.bake": {"typed_to_done": spread([seconds])},
        "preview without a change": {"typed_to_done": spread(previews)},
    }


@contextmanager
def up(stack: PulumiStack) -> Iterator[None]:
    """Have the machines of a stack for the block."""
    with aws_clusters.destroyed_at_the_end(stack):
        made = stack.up()
        if not made.succeeded:
            raise SystemExit(f"up: {made.told()}")
        yield


def start(cluster: AwsCluster, nodes: int, into: Starts) -> None:
    """Type one `fab cluster.start` and note how long it took, and its steps."""
    words = ("cluster.start", "--nodes", str(nodes), "--engine", "ray", "--json")
    seconds, answer = typed(cluster, words)
    into.typed.append(seconds)
    into.phases.append(answer["endpoint"]["phases"])
    print(f"cluster.start {seconds:6.2f} s  {answer['endpoint']['phases']}", flush=True)


def bake(cluster: AwsCluster) -> tuple[str, float]:
    """Make an image; return it and the seconds it took."""
    seconds, answer = typed(cluster, ("image.bake", "--json"))
    print(f"image.bake    {seconds:6.2f} s  {answer['image']}", flush=True)
    return str(answer["image"]), seconds


def preview(cluster: AwsCluster, folder: Path, made: PulumiStack) -> float:
    """Return the seconds of a preview, everything started anew, that has to find no change."""
    stack = aws_clusters.double_of(cluster, folder)
    stack.settings = made.settings
    begin = time.monotonic()
    found = stack.preview()
    seconds = time.monotonic() - begin
    if not found.succeeded or found.changes():
        raise SystemExit(f"preview: {found.changes()} {found.told()}")
    print(f"preview       {seconds:6.2f} s", flush=True)
    return seconds


def typed(cluster: AwsCluster, words: Sequence[str]) -> tuple[float, Any]:
    """Run a verb that has to succeed; return its seconds and its answer."""
    begin = time.monotonic()
    done = cluster.fab(*words, timeout=1800)
    seconds = time.monotonic() - begin
    if done.code:
        raise SystemExit(f"fab {' '.join(words)} ended with {done.code}:\n{done.err}")
    return seconds, json.loads(done.out)


if __name__ == "__main__":
    main()
