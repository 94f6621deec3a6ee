"""Where the rows of data come from, by name: a library, a download, a recipe, the bucket."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError, UsageError
from workloads import store
from workloads.data import blobs, bucket, covtype, synthetic_covtype
from workloads.data.hashes import Block

SYNTHETIC = "synthetic-covtype-v1"
COVTYPE = "covtype"
COVTYPE_LIKE = "covtype-like"
BUNDLED = {"digits": 1797, "iris": 150, "wine": 178, "breast_cancer": 569}
SYNTHETIC_ROWS = 20_000
MOST_ROWS = 20_000_000
BLOCK_ROWS = 1 << 16


def names() -> tuple[str, ...]:
    """Return the names of all data sets."""
    return (*BUNDLED, COVTYPE, COVTYPE_LIKE, SYNTHETIC)


def is_name(dataset: str) -> bool:
    """Say whether there is such a data set, or could be one in the cluster's bucket."""
    made = blobs.parse(dataset) is not None
    return dataset in names() or made or bucket.is_name(dataset)


def most_rows(dataset: str) -> int:
    """Return how many rows a data set has; for generated data, how many it may have."""
    if bucket.is_name(dataset):
        return bucket.look(dataset, store.operators_store()).rows
    return {**BUNDLED, COVTYPE: covtype.ROWS}.get(dataset, MOST_ROWS)


def settle_name(dataset: str) -> str:
    """Return what `covtype-like` stands for here: `covtype` if it can be had, else synthetic.

    Every other name is returned as it is: nobody who asked for real data gets made-up data.
    """
    if dataset != COVTYPE_LIKE:
        return dataset
    try:
        covtype.fetch(None)
    except TandemError:
        return SYNTHETIC
    return COVTYPE


def blocks(dataset: str, rows: int, downloads: Path | None) -> Iterator[Block]:
    """Yield the data in order, as blocks of whole rows of one type."""
    if dataset == SYNTHETIC or blobs.parse(dataset):
        yield from _generated(dataset, rows)
        return
    x, y = source(dataset, rows, downloads)
    chosen = choice(len(x), rows)
    narrow = x.astype(np.float32)
    exact = narrow if np.array_equal(narrow, x) else np.asarray(x, dtype=np.float64)
    for first in range(0, rows, BLOCK_ROWS):
        part = chosen[first : first + BLOCK_ROWS]
        yield np.ascontiguousarray(exact[part]), y[part].astype(np.int64)


def source(dataset: str, rows: int, downloads: Path | None) -> Block:
    """Return a whole data set; of generated data, the first `rows` rows.

    What comes from elsewhere is kept in the folder `downloads`, or not at all without one.
    """
    if bucket.is_name(dataset):
        with tempfile.TemporaryDirectory() as folder:
            found = bucket.fetch(dataset, downloads or Path(folder), store.open_store())
            return found
    if dataset == SYNTHETIC or blobs.parse(dataset):
        parts = list(_generated(dataset, rows))
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    if dataset == COVTYPE:
        return covtype.fetch(downloads)
    if dataset in BUNDLED:
        from sklearn import datasets as bundled

        loaded: Block = getattr(bundled, f"load_{dataset}")(return_X_y=True)
        return loaded
    raise UsageError(
        f"There is no data set {dataset!r}; there is: {', '.join(names())}.",
        next_step="name one of these as dataset",
    )


def _generated(dataset: str, rows: int) -> Iterator[Block]:
    recipe = blobs.parse(dataset)
    return synthetic_covtype.blocks(rows) if recipe is None else blobs.blocks(recipe, rows)


def marked(dataset: str, rows: int) -> int:
    """Return how many of the first rows of a data set its version is a hash of."""
    return min(rows, BLOCK_ROWS) if blobs.parse(dataset) else rows


def choice(available: int, wanted: int) -> NDArray[np.int64]:
    """Return the rows that a smaller version of a data set keeps, in order; always the same."""
    if wanted >= available:
        return np.arange(available)
    drawn = np.argsort(synthetic_covtype.mix(np.arange(available, dtype=np.uint64)))
    return np.sort(drawn[:wanted])
