"""Checks that collect every problem of a document before anyone is told."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from contracts.errors import InvalidDocument, UsageError

_SECRET_MARKS = ("PRIVATE KEY", "password", "secret", "token")


class Problems:
    """A list of what is wrong with a document, each entry naming field, value and rule."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, field: str, rule: str) -> None:
        """Note that `field` breaks `rule`."""
        self.found.append(f"{field}: {rule}")

    def unknown_keys(self, where: str, given: Iterable[str], known: Iterable[str]) -> None:
        """Note every key that the schema does not have."""
        names = sorted(known)
        for key in sorted(set(given) - set(names)):
            self.add(f"{where}{key}", f"unknown field; known fields: {', '.join(names)}")

    def value(
        self,
        document: Mapping[str, Any],
        key: str,
        kind: type | tuple[type, ...],
        *,
        where: str = "",
        required: bool = True,
        rule: Callable[[Any], str | None] | None = None,
    ) -> Any:
        """Return `document[key]` if it has the right type and keeps the rule, else None.

        A rule returns what is wrong with the value, or None.
        """
        field = f"{where}{key}"
        found = document.get(key)
        if found is None:
            if required:
                self.add(field, "missing")
            return None
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(found, kinds) or (isinstance(found, bool) and bool not in kinds):
            wanted = " or ".join(one.__name__ for one in kinds)
            self.add(field, f"must be {wanted}, is {type(found).__name__} {found!r:.80}")
            return None
        complaint = rule(found) if rule else None
        if complaint:
            self.add(field, f"{complaint}, is {found!r:.80}")
            return None
        return found

    def raise_if_any(self, source: str, next_step: str | None = None) -> None:
        """Raise one InvalidDocument with all that was found, if anything was."""
        if self.found:
            raise InvalidDocument(source=source, problems=self.found, next_step=next_step)


def read_document(path: Path, *, newest_schema: int, next_step: str) -> dict[str, Any]:
    """Read a JSON object and check its schema number.

    Raises
    ------
    UsageError
        If there is no such file, or a newer version of Tandem wrote it.
    InvalidDocument
        If it is not a JSON object with a schema number.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.", next_step=next_step) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}.", next_step=f"check the file {path}"
        ) from error
    return parse_document(text, source=str(path), newest_schema=newest_schema)


def parse_document(text: str, *, source: str, newest_schema: int) -> dict[str, Any]:
    """Parse a JSON object and check its schema number, as `read_document` does."""
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise InvalidDocument(source=source, problems=[f"not JSON: {error}"]) from error
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise InvalidDocument(source=source, problems=[f"must be a JSON object, is {kind}"])
    schema = document.get("schema")
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
        raise InvalidDocument(
            source=source, problems=[f"schema: must be a whole number from 1, is {schema!r}"]
        )
    if schema > newest_schema:
        raise UsageError(
            f"{source} has schema {schema}; this Tandem knows schemas up to {newest_schema}.",
            cause="A newer Tandem wrote it.",
            next_step="update Tandem, or make the file again with this version",
        )
    return document


def find_secrets(document: Any, where: str = "") -> list[str]:
    """Return the fields of a document that look as if they held a secret."""
    found: list[str] = []
    if isinstance(document, Mapping):
        for key, value in document.items():
            field = f"{where}.{key}" if where else str(key)
            if any(mark.lower() == str(key).lower() for mark in _SECRET_MARKS):
                found.append(field)
            found += find_secrets(value, field)
    elif isinstance(document, list | tuple):
        for index, value in enumerate(document):
            found += find_secrets(value, f"{where}[{index}]")
    elif isinstance(document, str) and "PRIVATE KEY" in document:
        found.append(where)
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
