"""What units gave back, on disk: for a later driver, and for values that come early."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.files import write_json
from workloads.forest.exact.votes import Vote, decode_votes

Key = tuple[int, int]  # fold, group


class Kept:
    """Values of units and scores of complete groups, one file each, whole or absent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._names = {path.stem for path in folder.glob("*.json")}

    def has(self, name: str) -> bool:
        """Return whether a unit's value, or the scores of a group, are here."""
        return name in self._names

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        """Keep the value of a unit; it is on the disk when this returns."""
        write_json(self._folder / f"{name}.json", dict(value))
        self._names.add(name)

    def get(self, name: str) -> list[list[Vote]] | None:
        """Return the votes of a unit; None if the file is gone or damaged."""
        try:
            return decode_votes(json.loads((self._folder / f"{name}.json").read_text()))
        except (OSError, ValueError):
            self._names.discard(name)  # a damaged file is a unit not done
            return None

    def close(self, key: Key, scores: Mapping[tuple[int, int], Any], names: list[str]) -> None:
        """Keep the scores of a complete group in place of the values of its units.

        Where a scorer failed there is a NaN, which JSON has not: the values stay, and the
        scorer will fail, and warn, again.
        """
        rows = [[*place, score] for place, score in sorted(scores.items())]
        try:
            write_json(self._folder / f"{_score_name(key)}.json", {"scores": rows})
        except ValueError:
            return
        self._names.add(_score_name(key))
        for name in names:
            (self._folder / f"{name}.json").unlink(missing_ok=True)
            self._names.discard(name)

    def scores(self, key: Key) -> dict[tuple[int, int], Any] | None:
        """Return the scores of a complete group; None if there are none."""
        try:
            text = (self._folder / f"{_score_name(key)}.json").read_text()
            return {(row[0], row[1]): row[2] for row in json.loads(text)["scores"]}
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None


class Early:
    """Values that came before their turn, one file each; in memory without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._values: dict[str, Mapping[str, Any] | None] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def put(self, name: str, value: Mapping[str, Any], *, due: bool) -> None:
        """Hold a value; one that is due will be asked for at once and is not written down."""
        if self._folder is None or due:
            self._values[name] = value
            return
        self._values[name] = None
        (self._folder / f"{name}.json").write_text(json.dumps(value))

    def pop(self, name: str) -> Mapping[str, Any]:
        """Give a value back and forget it."""
        value = self._values.pop(name)
        if value is None and self._folder is not None:
            path = self._folder / f"{name}.json"
            value = json.loads(path.read_text())
            path.unlink()
        return value or {}


def _score_name(key: Key) -> str:
    return f"scores-fold{key[0]}-group{key[1]}"
