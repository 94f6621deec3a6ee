"""Data by name, and each node's own copy of it: made once, checked by hash, mapped by all.

A copy is the folder `data/<version>/` of a node's home: `X.npy`, `y.npy` and a manifest with
their checksums. It is written under another name and renamed, so that it is whole or absent.
The version names the truth: what the data is, how many rows, and a hash of its content.
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError, UsageError
from contracts.files import write_json
from contracts.trial import canonical
from workloads import store
from workloads.data import bucket, synthetic_covtype
from workloads.data.hashes import Block, checksums, content

SYNTHETIC = "synthetic-covtype-v1"
COVTYPE = "covtype"
COVTYPE_LIKE = "covtype-like"
BUNDLED = {"digits": 1797, "iris": 150, "wine": 178, "breast_cancer": 569}
COVTYPE_ROWS = 581_012
SYNTHETIC_ROWS = 20_000
MOST_ROWS = 20_000_000
DOWNLOAD_SECONDS = 60.0

_BLOCK_ROWS = 1 << 16
_FILES = ("X.npy", "y.npy")


@dataclass(frozen=True)
class Data:
    """A data set and how many of its rows: what `prepare` and `load` need to know."""

    dataset: str
    rows: int
    version: str


def names() -> tuple[str, ...]:
    """Return the names of all data sets."""
    return (*BUNDLED, COVTYPE, COVTYPE_LIKE, SYNTHETIC)


def is_name(dataset: str) -> bool:
    """Say whether there is such a data set, or could be one in the cluster's bucket."""
    return dataset in names() or bucket.is_name(dataset)


def most_rows(dataset: str) -> int:
    """Return how many rows a data set has; for generated data, how many it may have."""
    if bucket.is_name(dataset):
        return bucket.look(dataset, store.operators_store()).rows
    return {**BUNDLED, COVTYPE: COVTYPE_ROWS}.get(dataset, MOST_ROWS)


def settle_name(dataset: str) -> str:
    """Return what `covtype-like` stands for here: `covtype` if it can be had, else synthetic.

    Every other name is returned as it is: nobody who asked for real data gets made-up data.
    """
    if dataset != COVTYPE_LIKE:
        return dataset
    try:
        _fetch_covtype(None)
    except TandemError:
        return SYNTHETIC
    return COVTYPE


@functools.lru_cache(maxsize=16)
def describe(dataset: str, rows: int | None) -> Data:
    """Return the data set with its version; `rows` None means all, or 20,000 generated.

    The version ends in a hash of the content. Cover type's ends in a hash of the checksum of
    the file that scikit-learn downloads, so that it can be named without having it; that of
    data of the bucket in a hash of what the bucket says of them.
    """
    if bucket.is_name(dataset):
        stored = bucket.look(dataset, store.operators_store())
        count = stored.rows if rows is None else rows
        return Data(dataset, count, stored.version(dataset, count))
    full = SYNTHETIC_ROWS if dataset == SYNTHETIC else most_rows(dataset)
    count = full if rows is None else rows
    if dataset == COVTYPE:
        text = canonical({"archive": _covtype_checksum(), "rows": count, "columns": 54})
        mark = hashlib.sha256(text.encode()).hexdigest()
    else:
        mark = content(_blocks(dataset, count, None))
    named = count != full or dataset == SYNTHETIC
    size = f"-n{count}" if named else ""
    return Data(dataset, count, f"{dataset.replace('_', '-')}{size}-{mark[:12]}")


def prepare(home: str, data: Data) -> dict[str, Any]:
    """Make sure that a node's home has its own, whole copy; return the copy's facts.

    Returns
    -------
    dict
        `version`, `rows`, `columns`, `classes` and `sha256` of both arrays: equal on all
        nodes of a run, or they do not compute the same thing.

    Raises
    ------
    TandemError
        If the data cannot be had here, or what was made here is not what the version says.
    """
    folder = _folder(home, data)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _one_maker(folder.parent):
        facts = _read_manifest(folder)
        if facts is not None and checksums(folder, _FILES) == facts["sha256"]:
            return facts
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as name:
            made = Path(name) / "copy"
            made.mkdir()
            _write_arrays(made, data, folder.parent)
            facts = _write_manifest(made, data)
            os.replace(made, folder)
    return facts


def load(home: str, data: Data) -> Block:
    """Return X (rows x columns) and y of a node's copy, mapped and not read; made if absent."""
    folder = _folder(home, data)
    if _read_manifest(folder) is None:
        prepare(home, data)
    x, y = (np.load(folder / name, mmap_mode="r") for name in _FILES)
    return np.asarray(x), np.asarray(y)


def raw(dataset: str, rows: int) -> Block:
    """Return the data as its library gives it, in memory: for references, not for nodes."""
    x, y = _source(dataset, rows, None)
    chosen = _choice(len(x), rows)
    return x[chosen], y[chosen]


@contextlib.contextmanager
def _one_maker(folder: Path) -> Iterator[None]:
    """Let one process of a node make copies at a time; the others wait and find them made."""
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder(home: str, data: Data) -> Path:
    return Path(home).expanduser() / "data" / data.version


def _blocks(dataset: str, rows: int, downloads: Path | None) -> Iterator[Block]:
    """Yield the data in order, as blocks of whole rows of one type."""
    if dataset == SYNTHETIC:
        yield from synthetic_covtype.blocks(rows)
        return
    x, y = _source(dataset, rows, downloads)
    chosen = _choice(len(x), rows)
    narrow = x.astype(np.float32)
    exact = narrow if np.array_equal(narrow, x) else np.asarray(x, dtype=np.float64)
    for first in range(0, rows, _BLOCK_ROWS):
        part = chosen[first : first + _BLOCK_ROWS]
        yield np.ascontiguousarray(exact[part]), y[part].astype(np.int64)


def _source(dataset: str, rows: int, downloads: Path | None) -> Block:
    """Return a whole data set; of generated data, the first `rows` rows.

    What comes from elsewhere is kept in the folder `downloads`, or not at all without one.
    """
    if bucket.is_name(dataset):
        with tempfile.TemporaryDirectory() as folder:
            found = bucket.fetch(dataset, downloads or Path(folder), store.open_store())
            return found
    if dataset == SYNTHETIC:
        parts = list(synthetic_covtype.blocks(rows))
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    if dataset == COVTYPE:
        return _fetch_covtype(downloads)
    if dataset in BUNDLED:
        from sklearn import datasets as bundled

        loaded: Block = getattr(bundled, f"load_{dataset}")(return_X_y=True)
        return loaded
    raise UsageError(
        f"There is no data set {dataset!r}; there is: {', '.join(names())}.",
        next_step="name one of these as dataset",
    )


def _choice(available: int, wanted: int) -> NDArray[np.int64]:
    """Return the rows that a smaller version of a data set keeps, in order; always the same."""
    if wanted >= available:
        return np.arange(available)
    drawn = np.argsort(synthetic_covtype.mix(np.arange(available, dtype=np.uint64)))
    return np.sort(drawn[:wanted])


def _covtype_checksum() -> str:
    from sklearn.datasets import _covtype

    return str(_covtype.ARCHIVE.checksum)


def _fetch_covtype(downloads: Path | None) -> Block:
    from sklearn.datasets import fetch_covtype

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SECONDS)  # the download itself knows no deadline
    try:
        home = None if downloads is None else str(downloads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it tries again is no news
            fetched: Block = fetch_covtype(data_home=home, return_X_y=True, n_retries=1)
    except OSError as error:
        raise TandemError(
            "The data set covtype could not be downloaded.",
            cause=f"{type(error).__name__}: {error}",
            next_step=f"use the data set {SYNTHETIC}: its shape, and nothing to download",
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return fetched


def _write_arrays(folder: Path, data: Data, cache: Path) -> None:
    # Cover type's archive serves other numbers of rows, too; else the copy itself is enough.
    downloads = cache / "downloads" if data.dataset == COVTYPE else folder.parent
    targets: list[Any] = []
    first = 0
    for block in _blocks(data.dataset, data.rows, downloads):
        if not targets:
            targets = [
                _open_array(folder / name, data.rows, part)
                for name, part in zip(_FILES, block, strict=True)
            ]
        for target, part in zip(targets, block, strict=True):
            target[first : first + len(part)] = part
        first += len(block[0])
    for target in targets:
        target.flush()


def _open_array(path: Path, rows: int, like: NDArray[Any]) -> Any:
    shape = (rows, *like.shape[1:])
    return np.lib.format.open_memmap(path, mode="w+", dtype=like.dtype, shape=shape)


def _write_manifest(folder: Path, data: Data) -> dict[str, Any]:
    x, y = (np.load(folder / name, mmap_mode="r") for name in _FILES)
    if bucket.is_name(data.dataset):
        bucket.check(data.dataset, data.rows, data.version, store.open_store())
    elif data.dataset != COVTYPE:
        made = content(
            (x[i : i + _BLOCK_ROWS], y[i : i + _BLOCK_ROWS])
            for i in range(0, data.rows, _BLOCK_ROWS)
        )[:12]
        if not data.version.endswith(made):
            raise TandemError(
                f"This node makes other data than {data.version}: its content is {made}.",
                cause="Its versions of scikit-learn or NumPy differ from the operator's.",
                next_step="fab cluster.start repairs the environment of the nodes",
            )
    facts: dict[str, Any] = {
        "version": data.version,
        "rows": int(x.shape[0]),
        "columns": int(x.shape[1]),
        "classes": len(np.unique(y)),
        "sha256": checksums(folder, _FILES),
    }
    write_json(folder / "manifest.json", facts)
    return facts


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and "sha256" in facts else None
