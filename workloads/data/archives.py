"""Public data that is downloaded: where it lies, how it is told from another, what is in it."""

import gzip
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from contracts.errors import TandemError
from workloads.data import covtype

COVTYPE, FLIGHTS = "covtype", "nycflights"
YEARS = range(1990, 2000)
FLIGHT_COLUMNS = ("Year", "Month", "DayofMonth", "ArrDelay", "DepDelay", "Origin", "Dest")
BLOCK = 1 << 20

_COVTYPE_COLUMNS = 55
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
        return f"{self.name}{'.tar.gz' if self.name == FLIGHTS else '.data.gz'}"


def archives() -> dict[str, Archive]:
    """Return every archive by the name of its data.

    Cover type's is what `sklearn.datasets.fetch_covtype` downloads; the flights are those of
    Dask's tutorial, from New York, 1990 to 1999.
    """
    address = covtype.address()
    flights = "https://storage.googleapis.com/dask-tutorial-data/nycflights.tar.gz"
    return {
        COVTYPE: Archive(
            COVTYPE, address, covtype.checksum(), "forest cover type, 581,012 x 54"
        ),
        FLIGHTS: Archive(FLIGHTS, flights, None, "flights from New York, a CSV a year"),
    }


def unpack(archive: Archive, path: Path, folder: Path) -> dict[str, Any]:
    """Write what is in an archive into an empty folder; return the facts of it.

    Cover type becomes X.npy and y.npy, flights one CSV a year.

    Raises
    ------
    TandemError
        If the archive is broken or holds something else.
    """
    take = _flights if archive.name == FLIGHTS else _covtype
    try:
        return take(path, folder)
    except (OSError, EOFError, ValueError, tarfile.TarError) as error:
        raise TandemError(
            f"{path} is not the archive of {archive.name}.",
            cause=f"{type(error).__name__}: {error}",
            next_step=f"fab data.get {archive.name} --again downloads it anew",
        ) from error


def _covtype(path: Path, folder: Path) -> dict[str, Any]:
    with gzip.open(path, "rt", encoding="ascii") as stream:
        table = np.loadtxt(stream, delimiter=",", dtype=np.int32, ndmin=2)
    if table.shape[1] != _COVTYPE_COLUMNS:
        raise ValueError(f"it has {table.shape[1]} columns, not {_COVTYPE_COLUMNS}")
    np.save(folder / "X.npy", table[:, :-1].astype(np.float32))
    np.save(folder / "y.npy", table[:, -1].astype(np.int64))
    return {"rows": len(table), "columns": _COVTYPE_COLUMNS - 1}


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
    columns = [name.strip('"') for name in head.decode("latin-1").strip().split(",")]
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
