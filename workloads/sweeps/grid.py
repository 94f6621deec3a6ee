"""The parameters of a workload as a user gives them: a TOML file and single settings."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from contracts.errors import InvalidDocument, UsageError
from contracts.trial import canonical

EXAMPLE = "--grid grid.toml, or --set grid.n_estimators=[10,20]"


def read_grid(path: Path) -> dict[str, Any]:
    """Read the parameters of a workload from a TOML file.

    Raises
    ------
    UsageError
        If there is no such file.
    InvalidDocument
        If it is not TOML; the error says where.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The grid file {path} cannot be read: {error}.", next_step=EXAMPLE
        ) from error
    try:
        table = tomllib.loads(text)
        canonical(table)
    except (ValueError, TypeError) as error:
        raise InvalidDocument(
            source=str(path), problems=[f"not TOML that JSON can express: {error}"]
        ) from error
    return table


def with_settings(parameters: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """Return the parameters with each `key=value` put in.

    A dot in the key reaches into a table. The value is read as JSON where it is JSON, and
    taken as a text otherwise.

    >>> with_settings({"folds": 5}, ["folds=3", "grid.max_depth=[null,10]", "data=digits"])
    {'folds': 3, 'grid': {'max_depth': [None, 10]}, 'data': 'digits'}

    Raises
    ------
    InvalidDocument
        With every setting that has no key or no value.
    """
    result: dict[str, Any] = json.loads(json.dumps(dict(parameters)))
    problems = []
    for setting in settings:
        key, equals, value = setting.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            problems.append(f"{setting!r}: must be key=value")
        elif not _put(result, parts, setting_value(value)):
            problems.append(f"{setting!r}: {'.'.join(parts[:-1])} is a value and no table")
    if problems:
        raise InvalidDocument(source="--set", problems=problems, next_step=EXAMPLE)
    return result


def setting_value(text: str) -> Any:
    """Return the value that a text means: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text.strip()


def _put(table: dict[str, Any], parts: list[str], value: Any) -> bool:
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            return False
    table[parts[-1]] = value
    return True


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
