"""What it costs to add up the gradients of 3 nodes, by each way that there is.

    python -m bench.resnet_adding          minutes

The vectors are as long as the gradient of `resnet` for 8x8 images. Seconds are those from when
every node has its own to when every node has the sum.
"""

import argparse
from typing import Any

from bench.machine import facts, keep
from bench.machines import ROOT, cluster
from workloads import registry

PROGRAM = ROOT / "bench" / "resnet_adding_form.py"
SIZE = 4_235_000


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE, help="floats in a vector")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cpus", type=float, default=0.3)
    options = parser.parse_args()
    machine = facts()
    lock = registry.lock("resnet")
    assert lock is not None  # noqa: S101
    found: dict[str, Any] = {}
    with cluster(nodes=3, cpus=options.cpus, memory="2g") as made:
        with made.faster(0.6):
            made.bring(None, nodes=3, lock=lock)
        for engine in ("dask", "ray"):
            endpoint = made.bring(engine, nodes=3, lock=lock)
            place = made.place(engine, endpoint)
            task = {"place": place, "size": options.size, "rounds": options.rounds}
            found.update(made.python(made.inventory.head, endpoint, PROGRAM.read_text(), task))
    for name, seconds in found.items():
        print(f"{name:24} {seconds:6.2f} s for {options.size * 4 / 1e6:.1f} MB")
    work = {"floats": options.size, "nodes": 3, "cpus": options.cpus}
    path = keep("resnet_adding", machine, {"work": work, "seconds_of_a_sum": found})
    print(f"kept in {path}")


if __name__ == "__main__":
    main()
