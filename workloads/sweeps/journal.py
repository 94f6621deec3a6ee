"""The journal of a sweep: one checked line for each thing that happened, never rewritten.

A line is `{"check":"<16 hexadecimal digits>",` and then the record's own fields as canonical
JSON. The digits are of the SHA-256 of what follows, so that a flipped or a lost byte shows.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import TandemError, UsageError
from contracts.files import append_line, write_atomically
from contracts.trial import canonical

SCHEMA = 1
KINDS = ("plan", "attempt", "trial", "run")

Record = Mapping[str, Any]

_MARK = b'{"check":"'
_DIGITS = 16
_SEAM = b'",'
_HEAD = len(_MARK) + _DIGITS + len(_SEAM)


class JournalWriteError(TandemError, OSError):
    """A record could not be written; every earlier record is intact."""


@dataclass(frozen=True)
class Reading:
    """What a journal's bytes hold.

    `records` are the good ones in order, `damaged` the pieces whose check failed, and `text`
    the lines of the good ones exactly as they were written.
    """

    records: tuple[Record, ...]
    damaged: tuple[bytes, ...]
    text: bytes


class Journal:
    """The journal of one sweep, in its results folder; hold the folder's lock to write.

    Opening it for writing moves whatever is damaged into the file `quarantine.jsonl` beside
    it, so that a line cut short by a crash never meets the next one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.quarantine = path.with_name("quarantine.jsonl")

    def read(self) -> Reading:
        """Read every record; change nothing.

        Raises
        ------
        UsageError
            If a newer version wrote a record, or the file cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise UsageError(
                f"The journal {self.path} cannot be read: {error}.",
                next_step=f"check the file {self.path}",
            ) from error
        return read_lines(content, source=str(self.path))

    def repair(self) -> Reading:
        """Move what is damaged into quarantine and return what is good.

        Raises
        ------
        JournalWriteError
            If there is no room for that; the journal is as it was.
        """
        reading = self.read()
        if self.path.exists() and reading.text != self.path.read_bytes():
            try:
                for piece in self._not_yet_quarantined(reading.damaged):
                    append_line(self.quarantine, canonical({"text": piece}))
                write_atomically(self.path, reading.text)
            except OSError as error:
                raise self._unwritable(error) from error
        return reading

    def append(self, record: Record) -> None:
        """Write one record and sync it to the disk: from then on it counts.

        Raises
        ------
        JournalWriteError
            If the disk is full or the file cannot be written; nothing of it was written.
        """
        try:
            append_line(self.path, line_of(record))
        except OSError as error:
            raise self._unwritable(error) from error

    def quarantined(self) -> int:
        """Return how many damaged pieces were ever set aside."""
        try:
            return len(set(self.quarantine.read_text(encoding="utf-8").splitlines()))
        except FileNotFoundError:
            return 0

    def _not_yet_quarantined(self, pieces: Iterable[bytes]) -> Iterator[str]:
        known = set()
        if self.quarantine.exists():
            known = set(self.quarantine.read_text(encoding="utf-8").splitlines())
        for piece in pieces:
            text = piece.decode("latin-1")
            if canonical({"text": text}) not in known:
                yield text

    def _unwritable(self, error: OSError) -> JournalWriteError:
        return JournalWriteError(
            f"A result could not be written to {self.path}: {error.strerror or error}.",
            cause="Every result written before is intact, and no more work was submitted.",
            next_step=f"make room under {self.path.parent}, then run the same command again",
        )


def line_of(record: Record) -> str:
    """Return the line that holds a record, without its end of line.

    Raises
    ------
    ValueError
        If the record holds a number that JSON cannot express, or is of no known kind.
    """
    if record.get("kind") not in KINDS or "check" in record:
        raise ValueError(f"a journal holds no record of kind {record.get('kind')!r}")
    rest = canonical({**record, "schema": SCHEMA})[1:]
    return f'{{"check":"{_digest(rest.encode())}",{rest}'


def read_lines(content: bytes, *, source: str) -> Reading:
    """Return the good records in a journal's bytes, and the pieces that are damaged.

    A record counts only if its check is right. Where an end of line was lost, the records
    on both sides of it are still found.
    """
    records: list[Record] = []
    lines: list[bytes] = []
    damaged: list[bytes] = []
    for line in content.split(b"\n"):
        rest = line
        while rest:
            begin, end, record = _first_record(rest)
            if rest[:begin]:
                damaged.append(rest[:begin])
            if record is not None:
                _refuse_newer(record, source)
                records.append(record)
                lines.append(rest[begin:end] + b"\n")
            rest = rest[end:]
    return Reading(tuple(records), tuple(damaged), b"".join(lines))


def _first_record(text: bytes) -> tuple[int, int, Record | None]:
    """Return begin, end and record of the first good record; all of the text if none."""
    begin = text.find(_MARK)
    while begin >= 0:
        end = _end_of_record(text, begin)
        if end:
            return begin, end, json.loads(b"{" + text[begin + _HEAD : end])
        begin = text.find(_MARK, begin + 1)
    return len(text), len(text), None


def _end_of_record(text: bytes, begin: int) -> int:
    """Return where the record at `begin` ends, or 0 if it is not good."""
    seam = begin + len(_MARK) + _DIGITS
    if text[seam : seam + len(_SEAM)] != _SEAM:
        return 0
    expected = text[begin + len(_MARK) : seam].decode("latin-1")
    end = len(text)
    if _digest(text[begin + _HEAD : end]) == expected:
        return end
    try:
        _, length = json.JSONDecoder().raw_decode(text[begin:].decode("ascii", "replace"))
    except (ValueError, RecursionError):
        return 0
    end = begin + length
    return end if _digest(text[begin + _HEAD : end]) == expected else 0


def _digest(rest: bytes) -> str:
    return hashlib.sha256(rest).hexdigest()[:_DIGITS]


def _refuse_newer(record: Record, source: str) -> None:
    schema, kind = record.get("schema"), record.get("kind")
    if schema != SCHEMA or kind not in KINDS:
        raise UsageError(
            f"{source} holds a record of kind {kind!r} and schema {schema!r}; this Tandem "
            f"knows {', '.join(KINDS)} of schema {SCHEMA}.",
            cause="A newer Tandem wrote it.",
            next_step="update Tandem, or choose another sweep with --name NAME",
        )
