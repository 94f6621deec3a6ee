"""Data by name, and each node's own copy of it: made once, checked by hash, mapped by all.

A copy is the folder `data/<version>/` of a node's home: `X.npy`, `y.npy` and a manifest with
their checksums. It is written under another name and renamed, so that it is whole or absent.
The version names the truth: what the data is, how many rows, and a hash of its content.
"""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError
from contracts.files import write_json
from contracts.trial import canonical
from workloads import store
from workloads.data import blobs, bucket, covtype, hashes, origins, synthetic_covtype
from workloads.data.hashes import Block, checksums, content
from workloads.data.origins import (
    BUNDLED,
    COVTYPE,
    COVTYPE_LIKE,
    SYNTHETIC,
    SYNTHETIC_ROWS,
    is_name,
    most_rows,
    names,
    settle_name,
)
from workloads.engines import Unit

__all__ = [
    "BUNDLED",
    "COVTYPE",
    "COVTYPE_LIKE",
    "SYNTHETIC",
    "Data",
    "describe",
    "is_name",
    "load",
    "most_rows",
    "names",
    "preparation",
    "prepare",
    "raw",
    "settle_name",
    "sources",
]

_FILES = ("X.npy", "y.npy")


@dataclass(frozen=True)
class Data:
    """A data set and how many of its rows: what `prepare` and `load` need to know."""

    dataset: str
    rows: int
    version: str


def sources() -> list[Path]:
    """Return the files that decide what the data is."""
    made = (blobs, bucket, covtype, hashes, origins, synthetic_covtype)
    return [Path(__file__), *(Path(str(one.__file__)) for one in made)]


@functools.lru_cache(maxsize=16)
def describe(dataset: str, rows: int | None) -> Data:
    """Return the data set with its version; `rows` None means all, or 20,000 generated.

    The version ends in a hash of the content; that of blobs, which may be large, in one of
    their first rows, which all others follow. Cover type's ends in a hash of the checksum of
    the file that scikit-learn downloads, so that it can be named without having it; that of
    data of the bucket in a hash of what the bucket says of them.
    """
    if bucket.is_name(dataset):
        stored = bucket.look(dataset, store.operators_store())
        count = stored.rows if rows is None else rows
        return Data(dataset, count, stored.version(dataset, count))
    made = dataset == SYNTHETIC or blobs.parse(dataset) is not None
    full = SYNTHETIC_ROWS if made else most_rows(dataset)
    count = full if rows is None else rows
    if dataset == COVTYPE:
        text = canonical({"archive": covtype.checksum(), "rows": count, "columns": 54})
        mark = hashlib.sha256(text.encode()).hexdigest()
    else:
        mark = content(origins.blocks(dataset, origins.marked(dataset, count), None))
    size = f"-n{count}" if made or count != full else ""
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", dataset)
    return Data(dataset, count, f"{slug}{size}-{mark[:12]}")


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


def preparation(home: str, data: Data) -> Unit:
    """Return the unit that prepares a node's copy."""
    arguments = {"home": home, "data": dataclasses.asdict(data)}
    return Unit("data", f"{__name__}:prepare_fields", arguments)


def prepare_fields(home: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Do what `prepare` does, for the fields of Data."""
    return prepare(home, Data(**data))


def load(home: str, data: Data) -> Block:
    """Return X (rows x columns) and y of a node's copy, mapped and not read; made if absent."""
    folder = _folder(home, data)
    if _read_manifest(folder) is None:
        prepare(home, data)
    x, y = (np.load(folder / name, mmap_mode="r") for name in _FILES)
    return np.asarray(x), np.asarray(y)


def raw(dataset: str, rows: int) -> Block:
    """Return the data as its library gives it, in memory: for references, not for nodes."""
    x, y = origins.source(dataset, rows, None)
    chosen = origins.choice(len(x), rows)
    return x[chosen], y[chosen]


@contextlib.contextmanager
def _one_maker(folder: Path) -> Iterator[None]:
    """Let one process of a node make copies at a time; the others wait and find them made."""
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder(home: str, data: Data) -> Path:
    return Path(home).expanduser() / "data" / data.version


def _write_arrays(folder: Path, data: Data, cache: Path) -> None:
    # Cover type's archive serves other numbers of rows, too; else the copy itself is enough.
    downloads = cache / "downloads" if data.dataset == COVTYPE else folder.parent
    targets: list[Any] = []
    first = 0
    for block in origins.blocks(data.dataset, data.rows, downloads):
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
        marked, size = origins.marked(data.dataset, data.rows), origins.BLOCK_ROWS
        made = content(
            (x[i : min(i + size, marked)], y[i : min(i + size, marked)])
            for i in range(0, marked, size)
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
