"""What `svc` computes on: scikit-learn's make_classification, made anew where it is needed.

That takes milliseconds, so every process makes the rows itself and nothing is stored or sent.
Values are rounded to single precision, because the last bits of the product that
make_classification ends with depend on the processor; a hash tells whether rows are the same.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError

MOST_ROWS = 20_000  # a kernel matrix of 20,000 rows is 3.2 GB
Array = NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """The arguments of make_classification; `noise` is its `flip_y`."""

    rows: int
    features: int
    informative: int
    classes: int
    noise: float
    separation: float
    seed: int


def version(samples: Samples) -> str:
    """Return the name of the data: what it is, and a hash of its content."""
    x, y = made(samples)
    return (
        f"make_classification-n{samples.rows}x{samples.features}"
        f"-c{samples.classes}-{_content(x, y)}"
    )


def prepare(data: Mapping[str, Any]) -> dict[str, Any]:
    """Make the data on a node and return its facts; they must be those of every other node.

    Raises
    ------
    TandemError
        If other rows come out here than the version says.
    """
    x, y = rows_of(data)
    found = version(_samples(data))
    if found != data["version"]:
        raise TandemError(
            f"This node makes other data than {data['version']}: it is {found}.",
            cause="Its versions of scikit-learn or NumPy differ from the operator's.",
            next_step="fab cluster.start repairs the environment of the nodes",
        )
    return {"version": found, "rows": len(x), "columns": x.shape[1], "classes": len(set(y))}


def rows_of(data: Mapping[str, Any]) -> tuple[Array, Array]:
    """Return X (rows x features, double precision) and y, kept between calls."""
    return made(_samples(data))


@functools.lru_cache(maxsize=2)
def made(samples: Samples) -> tuple[Array, Array]:
    """Return X (rows x features, double precision) and y."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        samples.rows,
        samples.features,
        n_informative=samples.informative,
        n_redundant=0,
        n_classes=samples.classes,
        n_clusters_per_class=1,
        flip_y=samples.noise,
        class_sep=samples.separation,
        random_state=samples.seed,
    )
    return x.astype(np.float32).astype(np.float64), y


def _samples(data: Mapping[str, Any]) -> Samples:
    return Samples(**{key: value for key, value in data.items() if key != "version"})


def _content(x: Array, y: Array) -> str:
    told = hashlib.sha256(np.ascontiguousarray(x).tobytes())
    told.update(y.astype(np.int64).tobytes())
    return told.hexdigest()[:12]
