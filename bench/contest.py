"""What benches share in which contestants take turns: options, turns, and who was how fast."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

PEERS_LOCK = Path(__file__).with_name("peers.lock")
# Ours, scikit-learn's and dask-ml's. Name: engine, form, nodes.
BESIDE_DASK_ML: Mapping[str, tuple[str | None, str, int]] = {
    "scikit-learn": (None, "baseline", 1),
    "tandem dask on 1": ("dask", "on_dask", 1),
    "tandem dask on 3": ("dask", "on_dask", 3),
    "dask-ml on 3": ("dask", "dask-ml", 3),
    "tandem ray on 1": ("ray", "on_ray", 1),
    "tandem ray on 3": ("ray", "on_ray", 3),
}

Contestant = TypeVar("Contestant")


def parse(
    description: str | None, *, points: int, try_points: int, **more: int
) -> argparse.Namespace:
    """Return the options of a bench, with `suffix` for its results; `more` are its own."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--points", type=int)
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--try", dest="trial", action="store_true")
    options = parser.parse_args()
    options.points = options.points or (try_points if options.trial else points)
    options.repeats = 1 if options.trial else options.repeats
    options.suffix = "_try" if options.trial else ""
    return options


def turns(contestants: Iterable[Contestant], repeats: int) -> Iterator[tuple[int, Contestant]]:
    """Yield all in each repeat, with its number; every other repeat begins with the last."""
    every = list(contestants)
    for repeat in range(repeats):
        for one in every if repeat % 2 == 0 else reversed(every):
            yield repeat + 1, one


def faster(table: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return how many times as fast ours are on 3 nodes as the others, by `wall_seconds`."""

    def times(slow: str, engine: str) -> float:
        names = slow.format(engine), f"tandem {engine} on 3"
        one, other = (table[name]["wall_seconds"]["median"] for name in names)
        return round(float(one / other), 2)

    beaten = {
        "faster_than_its_one_node": "tandem {} on 1",
        "faster_than_scikit_learn_on_one": "scikit-learn",
        "faster_than_dask_ml_on_3": "dask-ml on 3",
    }
    return {
        key: {engine: times(slow, engine) for engine in ("dask", "ray")}
        for key, slow in beaten.items()
    }
