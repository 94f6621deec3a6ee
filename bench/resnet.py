"""ResNet-18 on 3 nodes beside 1 and beside plain: time per epoch, and accuracy over seeds.

    python -m bench.resnet                 about an hour
    python -m bench.resnet --try           minutes: shows that it runs

The batches and the epochs are the same on any number of nodes. Compiling comes before the
clock and is told apart. Time is the median of all epochs of all seeds of a form.
"""

import argparse
import statistics
from typing import Any

from bench.exact_search import prepare_data
from bench.machine import facts, keep, spread
from bench.machines import ROOT, Cluster, cluster
from workloads import registry, resnet
from workloads.data.named import data
from workloads.resnet.parameters import RECIPE

PROGRAM = ROOT / "bench" / "resnet_form.py"
# Name: engine, form, nodes.
CONTESTANTS = {
    "plain on 1": (None, "baseline", 1),
    "dask on 1": ("dask", "on_dask", 1),
    "dask on 3": ("dask", "on_dask", 3),
    "ray on 1": ("ray", "on_ray", 1),
    "ray on 3": ("ray", "on_ray", 3),
}
# Accuracy is of the arithmetic, which is that of every engine.
SEEDED = ("dask on 1", "dask on 3")
TO_REACH = 2.3
PREPARING_CPUS = 0.6
SMALL = {"width": 8, "batch": 120, "epochs": 2}


def main() -> None:
    """Measure and keep the figures."""
    options = parse()
    machine = facts()
    settings = {"epochs": options.epochs, "width": options.width, "batch": options.batch}
    parameters = resnet.validate(
        {**settings, **(SMALL if options.trial else {}), "gradients": options.gradients}
    )
    lock = registry.lock("resnet")
    assert lock is not None  # noqa: S101
    found: dict[str, dict[str, Any]] = {}
    with cluster(nodes=3, cpus=options.cpus, memory="2g") as made:
        with made.faster(PREPARING_CPUS):
            prepare_data(made, data(parameters), lock)
        for name in options.only or CONTESTANTS:
            seeds = list(range(options.seeds if name in SEEDED else 1))
            found[name] = measure(made, parameters, name, seeds, lock)
            for one in found[name]["seeds"]:
                print(
                    f"{name:12} epoch {one['epoch seconds']:6.1f} s, of it adding up "
                    f"{one['epoch seconds of adding up']:5.2f} s, compiled in "
                    f"{one['compile seconds']:5.1f} s, accuracy {one['accuracy']:.4f}",
                    flush=True,
                )
        memory = made.highest_memory()
        path = keep(f"resnet{options.suffix}", machine, figures(parameters, found, memory))
    print(f"kept in {path}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=240)
    parser.add_argument("--gradients", default="float32")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--only", action="append", choices=CONTESTANTS)
    parser.add_argument("--suffix", default="")
    parser.add_argument("--try", dest="trial", action="store_true")
    options = parser.parse_args()
    options.seeds = 1 if options.trial else options.seeds
    options.suffix = "_try" if options.trial else options.suffix
    return options


def measure(
    made: Cluster, parameters: dict[str, Any], name: str, seeds: list[int], lock: Any
) -> dict[str, Any]:
    engine, form, nodes = CONTESTANTS[name]
    endpoint = made.bring(engine, nodes=nodes, lock=lock)
    place = made.place(engine, endpoint)
    recipe = {key: parameters[key] for key in RECIPE}
    task = {
        "place": place,
        "form": form,
        "data": vars(data(parameters)),
        "recipe": {**recipe, "learning_rate": parameters["learning_rates"][0]},
        "seeds": seeds,
    }
    found: dict[str, Any] = made.python(
        made.inventory.head, endpoint, PROGRAM.read_text(), task
    )
    return found


def figures(
    parameters: dict[str, Any], found: dict[str, dict[str, Any]], memory: dict[str, int]
) -> dict[str, Any]:
    table = {name: row(one) for name, one in found.items()}

    def times(slow: str, fast: str) -> float | None:
        if slow not in table or fast not in table:
            return None
        one, other = (table[name]["epoch_seconds"]["median"] for name in (slow, fast))
        return round(float(one / other), 2)

    return {
        "work": parameters,
        "forms": table,
        "to_reach": TO_REACH,
        "epochs_of_three_nodes_faster_than_of_one": {
            engine: times(f"{engine} on 1", f"{engine} on 3") for engine in ("dask", "ray")
        },
        "epochs_of_three_nodes_faster_than_plain": {
            engine: times("plain on 1", f"{engine} on 3") for engine in ("dask", "ray")
        },
        "highest_memory_bytes": memory,
        "versions": next(iter(found.values()))["versions"],
    }


def row(one: dict[str, Any]) -> dict[str, Any]:
    records = one["seeds"]

    def of(name: str) -> list[float]:
        return [record[name] for record in records]

    return {
        "epoch_seconds": spread(of("epoch seconds")),
        "epoch_seconds_of_adding_up": spread(of("epoch seconds of adding up")),
        "compile_seconds": records[0]["compile seconds"],
        "warm_up_seconds": one["warm_up"],
        "training_seconds": spread(of("wall")),
        "megabytes_sent_a_step": round(records[0]["bytes sent"] / records[0]["steps"] / 1e6, 1),
        "parameters": records[0]["parameters"],
        "accuracy": of("accuracy"),
        "accuracy_mean": statistics.fmean(of("accuracy")),
    }


if __name__ == "__main__":
    main()
