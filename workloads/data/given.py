"""Data that the user has: CSV, Parquet or NumPy files, checked and made into X and y."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import InvalidDocument, UsageError
from contracts.schema import Problems

FORMS = ("csv", "parquet", "npy", "npz")
Table = Any

_SHOWN = 5


def read(path: Path, label: str | None) -> tuple[NDArray[Any], NDArray[np.int64], list[str]]:
    """Return X (rows x columns), y (rows) and the names of classes, if these were texts.

    Parameters
    ----------
    path : Path
        A file, or a folder of files of one form: *.csv or *.parquet with the same columns,
        or X.npy and y.npy as `numpy.save` writes them. An .npz file has X and y.
    label : str or None
        The column that is y, of tables; the others are X, in their order.

    Raises
    ------
    UsageError
        If there is no such file, or none of these forms.
    InvalidDocument
        With every problem of the columns at once.
    """
    form, found = files_of(path)
    if form in ("npy", "npz"):
        return _arrays(path, form)
    table = _table(path, form, found)
    if label is None:
        raise UsageError(
            f"{path} has the columns {_some(list(table.columns))}; one of them is the label.",
            next_step=f"--label {table.columns[-1]}",
        )
    return _split(path, table, label)


def files_of(path: Path) -> tuple[str, list[Path]]:
    """Return the form of some data, and its files in order; raises UsageError without any."""
    if path.is_file() and path.suffix.lstrip(".") in FORMS:
        return path.suffix.lstrip("."), [path]
    if path.is_dir():
        for form in FORMS[:3]:
            found = sorted(path.glob(f"*.{form}"))
            if found:
                return form, found
    state = "has no file of a known form" if path.exists() else "does not exist"
    raise UsageError(
        f"{path} {state}.",
        next_step="--from FILE.csv, FILE.parquet, FILE.npz, or a folder of *.csv, *.parquet "
        "or of X.npy and y.npy",
    )


def _table(path: Path, form: str, files: list[Path]) -> Table:
    import pandas

    reader = pandas.read_csv if form == "csv" else pandas.read_parquet
    parts: list[Table] = []
    for one in files:
        try:
            part = reader(one)
        except (ValueError, OSError) as error:  # pandas' and pyarrow's own are both of these
            words = "is empty" if one.stat().st_size == 0 else f"cannot be read: {error}"
            raise UsageError(
                f"{one} {words}.", next_step="mend or leave out that file"
            ) from error
        if parts and list(part.columns) != list(parts[0].columns):
            raise UsageError(
                f"{one} has other columns than {files[0]}: {_some(list(part.columns))}, "
                f"not {_some(list(parts[0].columns))}.",
                next_step="one folder for files of the same columns",
            )
        parts.append(part)
    table = pandas.concat(parts, ignore_index=True)
    if table.empty:
        raise UsageError(f"{path} has no rows.", next_step="--from data with rows")
    return table


def _split(
    path: Path, table: Table, label: str
) -> tuple[NDArray[Any], NDArray[np.int64], list[str]]:
    import pandas

    problems = Problems()
    columns = [name for name in table.columns if name != label]
    if label not in table.columns:
        problems.add(label, f"is no column; there is {_some(list(table.columns))}")
    if not columns:
        problems.add(label, "is the only column, and nothing is left to learn from")
    for name in columns:
        column = table[name]
        numbers = pandas.to_numeric(column, errors="coerce")
        wrong = numbers.isna() & column.notna()
        if np.isinf(numbers).any():
            problems.add(str(name), "must be finite numbers, has others")
        elif wrong.any():
            row = int(wrong.to_numpy().argmax())
            problems.add(
                str(name), f"must be numbers, is {column.iloc[row]!r:.40} in row {row}"
            )
        elif column.isna().any():
            row = int(column.isna().to_numpy().argmax())
            problems.add(
                str(name), f"misses {int(column.isna().sum())} values, as in row {row}"
            )
    if label in table.columns and table[label].isna().any():
        problems.add(label, f"misses {int(table[label].isna().sum())} values")
    problems.raise_if_any(str(path), next_step="mend the columns, or --label another")
    y, classes = _labels(path, label, table[label])
    return _narrow(table[columns].to_numpy(dtype=np.float64)), y, classes


def _labels(path: Path, name: str, column: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Return labels as whole numbers; texts are numbered in their order."""
    import pandas

    if pandas.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=np.float64)
        if not np.array_equal(values, np.round(values)):
            raise InvalidDocument(
                source=str(path),
                problems=[f"{name}: must be whole numbers or texts, begins {values[0]:g}"],
                next_step="--label another column",
            )
        return values.astype(np.int64), []
    codes, classes = pandas.factorize(column.astype(str), sort=True)
    return np.asarray(codes, dtype=np.int64), [str(one) for one in classes]


def _arrays(path: Path, form: str) -> tuple[NDArray[Any], NDArray[np.int64], list[str]]:
    try:
        if form == "npz":
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as held:
                x, y = held["X"], held["y"]
        else:
            folder = path if path.is_dir() else path.parent
            x, y = (np.load(folder / name, allow_pickle=False) for name in ("X.npy", "y.npy"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"{path} does not hold arrays X and y.",
            cause=f"{type(error).__name__}: {error}",
            next_step="a folder of X.npy and y.npy, or an .npz of X and y",
        ) from error
    problems = Problems()
    if x.ndim != 2 or x.dtype.kind not in "biuf" or not x.size:
        problems.add("X", f"must be numbers, rows x columns, is {x.shape} of {x.dtype}")
    elif not np.isfinite(x).all():
        problems.add("X", "must be finite numbers, has others")
    if y.dtype.kind not in "biu" or y.shape != x.shape[:1]:
        problems.add("y", f"must be {x.shape[:1]} whole numbers, is {y.shape} of {y.dtype}")
    problems.raise_if_any(str(path), next_step="save X and y anew, then again")
    return _narrow(x), y.astype(np.int64), []


def _narrow(x: NDArray[Any]) -> NDArray[Any]:
    """Return the same numbers in single precision if none of them changes by that."""
    narrow = np.ascontiguousarray(x, dtype=np.float32)
    same = np.array_equal(narrow, x)
    return narrow if same else np.ascontiguousarray(x, dtype=np.float64)


def _some(names: list[Any]) -> str:
    shown = ", ".join(str(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
