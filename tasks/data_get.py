"""`fab data.get`: public data, or data of one's own, into the state folder and the bucket."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invoke.context import Context

from contracts.errors import UsageError
from contracts.files import state_folder
from tasks.progress import Progress
from tasks.verb import Answer, verb, whole_number

PLACES = ("", "bucket")


@verb(
    help={
        "name": "covtype, mnist, nycflights, or a name for data of --from",
        "from": "data you have: a CSV, Parquet or NumPy file, or a folder of them; CSV of "
        "flights stay as they are; with covtype, mnist or nycflights their archive",
        "label": "the column of --from that is the label",
        "to": "bucket: put it into the cluster's bucket, too",
        "url": "another address of the same archive",
        "sha256": "what the archive's SHA-256 has to be, if you know it",
        "deadline": "seconds that the download may take",
        "again": "download or read anew, and put it into the bucket, even if it is there",
        "dry-run": "say what would be done and do nothing",
    }
)
def get(
    context: Context,
    name: str,
    from_: str = "",
    label: str = "",
    to: str = "",
    url: str = "",
    sha256: str = "",
    deadline: str = "1800",
    again: bool = False,
    dry_run: bool = False,
) -> Answer:
    """Download public data, or read data of --from; check it, and keep it whole."""
    from workloads.data import archives, shelf

    check_place(to)
    seconds = whole_number(deadline, "--deadline")
    place = shelf.folder(state_folder(), name)
    known = archives.archives()
    source = Path(from_).absolute() if from_ else None
    if source is None and name not in known:
        raise UsageError(
            f"There is no public data {name!r:.80} to download; there is: {', '.join(known)}.",
            next_step=f"fab data.get {next(iter(known))}, or --from FILE for data you have",
        )
    archive = _asked(known[name], url, sha256) if name in known else None
    facts = {} if source is None else _facts(source, label, archive)
    there = None if again else shelf.look(place)
    if there is not None and any(there.get(key) != value for key, value in facts.items()):
        there = None
    if dry_run:
        origin = archive.url if archive and source is None else str(source)
        return _plan(name, origin, place, to, there is not None)
    progress = Progress()
    if there is not None:
        document, done = there, f"{name} is there already"
    elif source is None:
        document, done = _download(archive, place, seconds, progress), f"Got {name}"
    elif archive is not None:
        document, done = _unpack(archive, source, place, facts, progress), f"Unpacked {name}"
    else:
        document, done = _read(source, label, place, facts, progress), f"Read {name}"
    answer = {"name": name, "folder": str(place), "changes": there is None, **document}
    words = f"{done}: {document['rows']} rows, in {place}."
    if to:
        answer["bucket"] = put(place, name, again=again)
        words += f"\n{put_words(answer['bucket'])} Its name is bucket:{name}."
    return Answer(answer, words)


def check_place(to: str) -> None:
    """Refuse a place to put data that is none."""
    if to not in PLACES:
        raise UsageError(f"--to {to!r:.80} is not bucket.", next_step="--to bucket")


def put(place: Path, name: str, *, again: bool = False) -> dict[str, Any]:
    """Put a folder of data into the cluster's bucket, with progress; return what was put."""
    from workloads import store
    from workloads.data import shelf

    return shelf.send(place, name, store.operators_store(), Progress(), again=again)


def put_words(told: Mapping[str, Any]) -> str:
    """Return what was done to the bucket in words."""
    return f"{'Put into' if told['changes'] else 'There already:'} {told['place']}"


def _facts(source: Path, label: str, archive: Any) -> dict[str, Any]:
    """Return what tells data of the user's own from others, and from themselves changed."""
    from workloads.data import given, hashes

    if archive is None:
        _, files = given.files_of(source)
        marks = hashes.checksums(source if source.is_dir() else source.parent,
                                 [one.name for one in files])  # fmt: skip
        return {"from": str(source), "label": label, "source_sha256": marks}
    if not source.is_file():
        raise UsageError(
            f"{source} is no file, and {archive.name} comes as one: {archive.file}.",
            next_step=f"fab data.get {archive.name} --from {archive.file}; your own data have "
            f"another name: fab data.get my-{archive.name} --from {source}",
        )
    marks = hashes.checksums(source.parent, [source.name])
    found = (marks or {}).get(source.name)
    if archive.sha256 not in (None, found):
        raise UsageError(
            f"{source} is not {archive.file}: its SHA-256 is {found}, not {archive.sha256}.",
            next_step=f"fab data.get my-{archive.name} --from {source}, if these are your own",
        )
    return {"from": str(source), "archive_sha256": found}


def _asked(archive: Any, url: str, sha256: str) -> Any:
    """Return the archive as it is asked for; a published checksum cannot be talked away."""
    import dataclasses

    if archive.sha256 is not None and sha256 and sha256 != archive.sha256:
        raise UsageError(
            f"--sha256 {sha256:.80} is not that of {archive.name}: {archive.sha256}.",
            next_step="leave out --sha256",
        )
    return dataclasses.replace(
        archive, url=url or archive.url, sha256=archive.sha256 or sha256 or None
    )


def _plan(name: str, origin: str, place: Path, to: str, there: bool) -> Answer:
    does = "keep what is there" if there else f"get {origin}"
    document = {"name": name, "from": origin, "folder": str(place), "to": to, "there": there}
    return Answer(document, f"Would {does}, in {place}{', and put it there' if to else ''}.")


def _download(archive: Any, place: Path, seconds: float, progress: Progress) -> dict[str, Any]:
    from contracts.progress import step
    from workloads.data import download

    path = place.parent / ".downloads" / archive.file
    found = download.hash_of(path) if path.exists() else None
    if found is None or found != (archive.sha256 or found):
        with step(progress, "data", f"download {path.name}"):
            found = download.download(
                archive.url, path, sha256=archive.sha256, seconds=seconds, tell=progress
            )
    facts = {"from": archive.url, "archive_sha256": found}
    document = _unpack(archive, path, place, facts, progress)
    path.unlink()
    return document


def _unpack(
    archive: Any, path: Path, place: Path, facts: Mapping[str, Any], progress: Progress
) -> dict[str, Any]:
    from contracts.progress import step
    from workloads.data import archives, shelf

    told = {**facts, "verified": archive.sha256 is not None, "about": archive.about}
    with step(progress, "data", f"unpack {path.name}"):
        return shelf.keep(place, lambda made: archives.unpack(archive, path, made), told)


def _read(
    source: Path, label: str, place: Path, facts: Mapping[str, Any], progress: Progress
) -> dict[str, Any]:
    """Keep the user's own data: rows of numbers as arrays, flights as the CSV that they are."""
    import numpy as np

    from contracts.progress import step
    from workloads.data import archives, given, shelf

    _, files = given.files_of(source)

    def make(folder: Path) -> dict[str, Any]:
        if not label and archives.flights_in(files):
            return archives.copy_flights(files, folder)
        x, y, classes = given.read(source, label or None)
        np.save(folder / "X.npy", x)
        np.save(folder / "y.npy", y)
        return {"rows": len(x), "columns": x.shape[1], "classes": classes}

    with step(progress, "data", f"read {source.name}"):
        return shelf.keep(place, make, facts)
