"""The file that a driver writes and the operator reads: one JSON object a line, synced."""

import contextlib
import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

from contracts.errors import InvalidDocument
from contracts.files import append_line
from contracts.trial import TrialResult, parse_result

PROGRESS_SECONDS = 0.5
STEP_SECONDS = 1.0


class RunLog:
    """Appends to `results.jsonl`; a line that a killed driver left unfinished is cut off first.

    `path` is the file, and `results` are the trials that it holds already, by id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last_progress = self._last_step = 0.0
        self._last_done = -1
        _cut_torn_tail(path)
        self.results: dict[str, TrialResult] = {
            result.trial_id: result for result in _trials(path)
        }

    def write(self, kind: str, **fields: Any) -> None:
        """Append one line; it is on the disk when this returns."""
        append_line(self.path, json.dumps({"kind": kind, **fields}, allow_nan=False))

    def trial(self, result: TrialResult) -> None:
        """Append the result of a trial, unless the file has one."""
        if result.trial_id not in self.results:
            self.results[result.trial_id] = result
            self.write("trial", **dataclasses.asdict(result))

    def death(self, node: str, after_seconds: float, detail: str) -> None:
        """Append that something died on a node."""
        self.write("death", node=node, after_seconds=round(after_seconds, 3), detail=detail)

    def progress(self, done: int, total: int) -> None:
        """Append how far the run is, where that changed: rarely, but always at the end."""
        now = time.monotonic()
        due = done == total or now - self._last_progress >= PROGRESS_SECONDS
        if due and done != self._last_done:
            self._last_progress, self._last_done = now, done
            self.write("progress", done=done, total=total)

    def step(self, done: int, total: int, words: str) -> None:
        """Append how far the program under way is, once a second at most."""
        now = time.monotonic()
        if now - self._last_step >= STEP_SECONDS:
            self._last_step = now
            self.write("step", done=done, total=total, words=words)


def _cut_torn_tail(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError), open(path, "r+b") as stream:
        content = stream.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            stream.truncate(whole)
            stream.flush()
            os.fsync(stream.fileno())


def _trials(path: Path) -> list[TrialResult]:
    """Return the results in the file; a line that is damaged is a trial to do again."""
    if not path.exists():
        return []
    found = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError, InvalidDocument):
            document = json.loads(line)
            if isinstance(document, dict) and document.pop("kind", None) == "trial":
                found.append(parse_result(document))
    return found
