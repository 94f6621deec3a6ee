"""`fab data.get`: public data, or data of one's own, into the state folder and the bucket."""

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
        "name": "covtype, nycflights, or a name for data of --from",
        "from": "data you have: a CSV, Parquet or NumPy file, or a folder of them",
        "label": "the column of --from that is the label",
        "to": "bucket: put it into the cluster's bucket, too",
        "url": "another address of the same archive",
        "sha256": "what the archive's SHA-256 has to be, if you know it",
        "deadline": "seconds that the download may take",
        "again": "download or read anew, even if it is there",
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
    source, seconds = from_, whole_number(deadline, "--deadline")
    place = shelf.folder(state_folder(), name)
    known = archives.archives()
    if not source and name not in known:
        raise UsageError(
            f"There is no public data {name!r:.80} to download; there is: {', '.join(known)}.",
            next_step=f"fab data.get {next(iter(known))}, or --from FILE for data you have",
        )
    if source and name in known:
        raise UsageError(
            f"{name} is the name of public data, and data of --from is another.",
            next_step=f"fab data.get my-{name} --from {source}",
        )
    there = None if again else shelf.look(place)
    if source and there is not None and there.get("from") != str(Path(source).absolute()):
        there = None
    archive = None if source else _asked(known[name], url, sha256)
    origin = str(Path(source).absolute()) if archive is None else archive.url
    if dry_run:
        return _plan(name, origin, place, to, there is not None)
    progress = Progress()
    if there is not None:
        document, done = there, f"{name} is there already"
    elif archive is not None:
        document, done = _download(archive, place, seconds, progress), f"Got {name}"
    else:
        document, done = _read(Path(source), label, place), f"Read {name}"
    answer = {"name": name, "folder": str(place), "changes": there is None, **document}
    words = f"{done}: {document['rows']} rows, in {place}."
    if to:
        answer["bucket"] = put(place, name)
        words += f"\nPut into {answer['bucket']['place']}; its name is bucket:{name}."
    return Answer(answer, words)


def check_place(to: str) -> None:
    """Refuse a place to put data that is none."""
    if to not in PLACES:
        raise UsageError(f"--to {to!r:.80} is not bucket.", next_step="--to bucket")


def put(place: Path, name: str) -> dict[str, Any]:
    """Put a folder of data into the cluster's bucket, with progress; return what was put."""
    from workloads import store
    from workloads.data import shelf

    return shelf.send(place, name, store.operators_store(), Progress())


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
    from workloads.data import archives, download, shelf

    path = place.parent / ".downloads" / archive.file
    found = download.hash_of(path) if path.exists() else None
    if found is None or found != (archive.sha256 or found):
        with step(progress, "data", f"download {path.name}"):
            found = download.download(
                archive.url, path, sha256=archive.sha256, seconds=seconds, tell=progress
            )
    facts = {
        "from": archive.url,
        "archive_sha256": found,
        "verified": archive.sha256 is not None,
        "about": archive.about,
    }
    with step(progress, "data", f"unpack {path.name}"):
        document = shelf.keep(place, lambda made: archives.unpack(archive, path, made), facts)
    path.unlink()
    return document


def _read(source: Path, label: str, place: Path) -> dict[str, Any]:
    import numpy as np

    from workloads.data import given, shelf

    x, y, classes = given.read(source, label or None)

    def make(folder: Path) -> dict[str, Any]:
        np.save(folder / "X.npy", x)
        np.save(folder / "y.npy", y)
        return {"rows": len(x), "columns": x.shape[1], "classes": classes}

    return shelf.keep(place, make, {"from": str(source.absolute()), "label": label})
