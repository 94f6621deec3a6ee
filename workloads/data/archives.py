"""Public data that is downloaded: where it lies, how it is told from another, what is in it."""

import gzip
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from contracts.errors import TandemError, UsageError
from workloads.data import covtype

COVTYPE, FLIGHTS, MNIST = "covtype", "nycflights", "mnist"
NAMES = (COVTYPE, FLIGHTS, MNIST)
YEARS = range(1990, 2000)
FLIGHT_COLUMNS = ("Year", "Month", "DayofMonth", "ArrDelay", "DepDelay", "Origin", "Dest")
BLOCK = 1 << 20

_COVTYPE_COLUMNS = 55
_ENDINGS = {COVTYPE: ".data.gz", FLIGHTS: ".tar.gz", MNIST: ".npz"}
_MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
_MEMBER = re.compile(r"(?:\./)?nycflights/(\d{4})\.csv\Z")


@dataclass(frozen=True)
class Archive:
    """A file to download; `sha256` is None where its makers publish none."""

    name: str
    url: str
    sha256: str | None
    about: str

    @property
    def file(self) -> str:
        """The name of the file in the folder of downloads."""
        return f"{self.name}{_ENDINGS[self.name]}"


def archives() -> dict[str, Archive]:
    """Return every archive by the name of its data.

    Cover type's is what `sklearn.datasets.fetch_covtype` downloads; the flights are those of
    Dask's tutorial, from New York, 1990 to 1999; MNIST is the file of `keras.datasets.mnist`,
    with the checksum that Keras knows of it.
    """
    address = covtype.address()
    flights = "https://storage.googleapis.com/dask-tutorial-data/nycflights.tar.gz"
    mnist = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
    return {
        COVTYPE: Archive(
            COVTYPE, address, covtype.checksum(), "forest cover type, 581,012 x 54"
        ),
        FLIGHTS: Archive(FLIGHTS, flights, None, "flights from New York, a CSV a year"),
        MNIST: Archive(
            MNIST, mnist, _MNIST_SHA256, "handwritten digits, 70,000 images of 28 x 28"
        ),
    }


def unpack(archive: Archive, path: Path, folder: Path) -> dict[str, Any]:
    """Write what is in an archive into an empty folder; return the facts of it.

    Cover type and MNIST become X.npy and y.npy, flights one CSV a year.

    Raises
    ------
    TandemError
        If the archive is broken or holds something else.
    """
    take = {COVTYPE: _covtype, FLIGHTS: _flights, MNIST: _mnist}[archive.name]
    try:
        return take(path, folder)
    except _BROKEN as error:
        raise TandemError(
            f"{path} is not the archive of {archive.name}.",
            cause=f"{type(error).__name__}: {error}",
            next_step=f"fab data.get {archive.name} --again downloads it anew",
        ) from error


_BROKEN = (
    OSError, EOFError, ValueError, KeyError, tarfile.TarError, zipfile.BadZipFile, zlib.error
)  # fmt: skip


def flights_in(files: list[Path]) -> bool:
    """Say whether files are CSV of flights, by the columns that their first lines name."""
    return bool(files) and all(one.suffix == ".csv" and _of_flights(one) for one in files)


def copy_flights(files: list[Path], folder: Path) -> dict[str, Any]:
    """Copy CSV of flights into a folder as they are; return the facts of them.

    Raises
    ------
    UsageError
        If a file has no rows.
    """
    rows = 0
    for one in files:
        try:
            with open(one, "rb") as stream:
                rows += _copy_csv(stream, folder / one.name)
        except ValueError as error:
            raise UsageError(
                f"{one} cannot be used: {error}.", next_step="mend or leave out that file"
            ) from error
    return {"rows": rows, "files": len(files)}


def _of_flights(path: Path) -> bool:
    with open(path, "rb") as stream:
        return set(FLIGHT_COLUMNS) <= set(_columns(stream.readline(1 << 16)))


def _covtype(path: Path, folder: Path) -> dict[str, Any]:
    with gzip.open(path, "rt", encoding="ascii") as stream:
        table = np.loadtxt(stream, delimiter=",", dtype=np.int32, ndmin=2)
    if table.shape[1] != _COVTYPE_COLUMNS:
        raise ValueError(f"it has {table.shape[1]} columns, not {_COVTYPE_COLUMNS}")
    np.save(folder / "X.npy", table[:, :-1].astype(np.float32))
    np.save(folder / "y.npy", table[:, -1].astype(np.int64))
    return {"rows": len(table), "columns": _COVTYPE_COLUMNS - 1}


def _mnist(path: Path, folder: Path) -> dict[str, Any]:
    """Keep the images of both parts, those to train with first, a row each."""
    # NumPy leaves a file open whose content it refuses.
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as held:
        x = np.concatenate([held["x_train"], held["x_test"]])
        y = np.concatenate([held["y_train"], held["y_test"]])
    if x.ndim != 3 or y.shape != x.shape[:1]:
        raise ValueError(f"it has images of {x.shape} and labels of {y.shape}")
    rows = x.reshape(len(x), -1).astype(np.float32)
    np.save(folder / "X.npy", rows)
    np.save(folder / "y.npy", y.astype(np.int64))
    return {"rows": len(rows), "columns": rows.shape[1]}


def _flights(path: Path, folder: Path) -> dict[str, Any]:
    rows = 0
    with tarfile.open(path, "r:gz") as archive:
        for year, stream in _years(archive):
            rows += _copy_csv(stream, folder / f"{year}.csv")
    missing = [str(year) for year in YEARS if not (folder / f"{year}.csv").exists()]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    return {"rows": rows, "files": len(YEARS)}


def _years(archive: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the years; whatever else an archive names is not written anywhere."""
    for member in archive:
        found = _MEMBER.match(member.name)
        stream = archive.extractfile(member) if found and member.isfile() else None
        if found and stream and int(found[1]) in YEARS:
            yield found[1], stream


def _copy_csv(stream: IO[bytes], path: Path) -> int:
    """Copy a CSV after a look at its first line; return how many lines follow that."""
    head = stream.readline(1 << 16)
    columns = _columns(head)
    missing = [name for name in FLIGHT_COLUMNS if name not in columns]
    if missing:
        raise ValueError(f"{path.name} has no column {', '.join(missing)}")
    lines = 0
    with open(path, "wb") as target:
        target.write(head)
        while block := stream.read(BLOCK):
            lines += block.count(b"\n")
            target.write(block)
    if not lines:
        raise ValueError(f"{path.name} has no rows")
    return lines


def _columns(head: bytes) -> list[str]:
    return [name.strip('"') for name in head.decode("latin-1").strip().split(",")]
