"""One file from a server: resumed where it was cut, whole by its checksum or not there."""

import contextlib
import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from contracts.errors import DeadlineError, TandemError, UsageError
from contracts.files import write_json
from contracts.progress import Event, Tell, tell_nobody

SILENCE_SECONDS = 30.0
TRIES = 4
BLOCK = 1 << 16
_AGAIN = "the same command again, which goes on where it stopped"


class WrongChecksum(TandemError):
    """What was downloaded is not what was asked for; it is removed again."""


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None,
    seconds: float,
    tell: Tell = tell_nobody,
) -> str:
    """Download a file to a path and return its SHA-256; an interrupted one is gone on with.

    It is written beside its path and renamed when it is whole. What was cut off is asked for
    again a few times, from where it broke off if the server can say that it is still the same
    file, else from the start.

    Parameters
    ----------
    sha256 : str or None
        What it has to be; None takes any file that is whole by its length.
    seconds : float
        The deadline of all of it; between two bytes there may be 30 seconds.

    Raises
    ------
    UsageError
        If the address is none of HTTP.
    WrongChecksum
        If it is another file.
    DeadlineError
        If it takes longer; what came stays, to be gone on with.
    TandemError
        If the server refuses, or cuts the connection every time.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"{url!r:.200} is no address of HTTP.", next_step="https://...")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    end = time.monotonic() + seconds
    reason = ""
    for _ in range(TRIES):
        try:
            _receive(url, part, end, seconds, path.name, tell)
            break
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                _forget(part)
                continue
            raise TandemError(
                f"{url} cannot be downloaded: the server says {error.code} {error.reason}.",
                next_step="--from FILE, if you have the file already",
            ) from error
        except DeadlineError:
            raise
        except (OSError, http.client.HTTPException) as error:
            reason = f"{type(error).__name__}: {error}"
            if time.monotonic() > end:
                raise _late(url, seconds, reason) from error
    else:
        raise TandemError(f"{url} was cut off {TRIES} times.", cause=reason, next_step=_AGAIN)
    found = hash_of(part)
    if sha256 is not None and found != sha256:
        _forget(part)
        raise WrongChecksum(
            f"What {url} gave has the SHA-256 {found}, not {sha256}.",
            cause="It is another file than the one that was published, or a page in its place.",
            next_step="nothing was kept; try again later, or --from FILE",
        )
    os.replace(part, path)
    _forget(part)
    return found


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _receive(url: str, part: Path, end: float, seconds: float, name: str, tell: Tell) -> None:
    """Receive what is missing of a file; return when it is as long as the server says."""
    there, mark = _begun(url, part)
    request = urllib.request.Request(url)  # noqa: S310 - the caller checked the scheme
    if there:
        request.add_header("Range", f"bytes={there}-")
        request.add_header("If-Range", mark)
    patience = max(0.1, min(SILENCE_SECONDS, end - time.monotonic()))
    with urllib.request.urlopen(request, timeout=patience) as answer:  # noqa: S310
        if answer.status != 206:
            there = 0
        length = answer.headers.get("Content-Length")
        whole = None if length is None else there + int(length)
        write_json(_note(part), {"url": url, "mark": answer.headers.get("ETag") or ""})
        with open(part, "ab" if there else "wb") as stream:
            while block := answer.read1(BLOCK):
                stream.write(block)
                there += len(block)
                _tell(tell, name, there, whole)
                if time.monotonic() > end:
                    raise _late(url, seconds, f"{there} of {whole or 'unknown'} bytes")
    if whole is not None and there != whole:
        raise ConnectionError(f"it ended after {there} of {whole} bytes")


def _late(url: str, seconds: float, state: str) -> DeadlineError:
    return DeadlineError(
        waited_for="its download to end",
        whom=url,
        seconds=seconds,
        last_state=state,
        next_step=f"{_AGAIN}, with a longer --deadline",
    )


def _begun(url: str, part: Path) -> tuple[int, str]:
    """Return how many bytes of this file are there, and the server's mark of it."""
    try:
        note: dict[str, Any] = json.loads(_note(part).read_text())
        size = part.stat().st_size
    except (OSError, ValueError):
        return 0, ""
    mark = str(note.get("mark", ""))
    # A weak mark does not promise the same bytes.
    good = note.get("url") == url and mark and not mark.startswith("W/")
    return (size, mark) if good else (0, "")


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _forget(part: Path) -> None:
    for one in (part, _note(part)):
        with contextlib.suppress(FileNotFoundError):
            one.unlink()


def _tell(tell: Tell, name: str, there: int, whole: int | None) -> None:
    share = None if not whole else there / whole
    detail = f"{there / 1e6:.1f} MB"
    tell(Event("data", f"download {name}", "running", detail=detail, fraction=share))
