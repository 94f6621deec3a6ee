"""ResNet-18 in JAX on small images; scores are accuracies on rows that were held out.

The baseline is one process. On Ray and on Dask each node has one, which computes the gradient
of its share of every batch; the gradients are added up and every node does the same step.
Batches, steps and epochs are the same however many nodes there are. Normalisation is over
groups of channels, so no statistics of a batch have to agree (network.py).

Sums of gradients are rounded in another order on another number of nodes, and training
magnifies that: accuracies agree as those of two seeds do, and not to the last bit. The time to
compile is not in that of an epoch: see `extra` of a result.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads import checks, programs
from workloads.data import datasets, named
from workloads.data.named import data
from workloads.engines import Unit
from workloads.programs import ProgramWork
from workloads.registry import Work, data_version, files_of, versions
from workloads.resnet.parameters import (
    NAME,
    PRESETS,
    RECIPE,
    combinations,
    defaults,
    plain_parameters,
    validate,
)
from workloads.runs import RunSpec

__all__ = [
    "NAME",
    "PRESETS",
    "QUALITY",
    "SIZE",
    "TOLERANCE",
    "combinations",
    "data_version",
    "defaults",
    "libraries",
    "open_work",
    "plain",
    "plain_parameters",
    "preparation",
    "prepare",
    "sources",
    "validate",
    "warm_up",
]

SIZE = "rows"
QUALITY = "accuracy on rows that were held out"
# Seven of the 359 digits that are held out.
TOLERANCE = 0.02


def sources() -> list[Path]:
    """Return the files that decide the scores, and those of the data."""
    return [*files_of(__file__, checks, named, programs), *datasets.sources()]


def libraries() -> dict[str, str]:
    """Return the versions of the distributions that decide the scores."""
    return versions("flax", "jax", "jaxlib", "numpy", "scikit-learn")


def prepare(home: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Put the data into a node's cache, once; return facts that all nodes must share."""
    return datasets.prepare(home, data(parameters))


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that puts the data into a node's cache."""
    return datasets.preparation(spec.home, data(spec.parameters))


def warm_up(spec: RunSpec) -> Unit:
    """Return the program that loads and compiles on every node before the clock starts."""
    return programs.program(
        "warm-up", __name__, "warm_up", spec.engine, _given(spec.parameters, 0.0, spec.seed)
    )


def open_work(spec: RunSpec) -> Work:
    """Return one program for each learning rate."""
    found = []
    for one in spec.trials:
        given = _given(spec.parameters, one.parameters["learning_rate"], spec.seed)
        unit = programs.program(one.trial_id, __name__, "train", spec.engine, given)
        found.append((unit, [one]))
    return ProgramWork(spec, found, _facts)


def plain(parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
    """Do the same trainings in this process: the reference."""
    import tempfile

    from workloads.resnet import baseline, member

    results = []
    with tempfile.TemporaryDirectory() as home:
        for one in combinations(parameters):
            given = _given(parameters, one["learning_rate"], seed)
            found = baseline.trial(member.train_alone(home, **given, threads=1))
            results.append(programs.reference(one, found))
    return results


def _given(parameters: Mapping[str, Any], rate: float, seed: int) -> dict[str, Any]:
    recipe = {name: parameters[name] for name in RECIPE}
    return {
        "data": dataclasses.asdict(data(parameters)),
        "recipe": {**recipe, "learning_rate": float(rate), "seed": seed},
    }


def _facts(results: Sequence[TrialResult]) -> dict[str, Any]:
    seconds = [one.extra["epoch seconds"] for one in results]
    return {"epoch_seconds": min(seconds)}
