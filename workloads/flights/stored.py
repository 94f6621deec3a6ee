"""Flights that lie in the cluster's bucket, as `fab data.get NAME --to bucket` puts them there.

They are `data/NAME/*.csv` with a manifest of their checksums. The manifest is all that the
operator reads; each node copies the files once and compares them with it.
"""

import json
from pathlib import Path

from contracts.errors import TandemError, UsageError
from workloads.data.bucket import PREFIX
from workloads.data.hashes import checksums
from workloads.store import Store
from workloads.store_errors import ObjectMissing

_MANIFEST = "manifest.json"


def marks(dataset: str, store: Store) -> dict[str, str]:
    """Return the SHA-256 of each CSV file of `bucket:NAME`, by its name.

    Raises
    ------
    UsageError
        If there are no such flights in the bucket.
    TandemError
        If the bucket cannot be asked.
    """
    name = dataset.removeprefix(PREFIX)
    again = f"fab data.get {name} --from FOLDER --to bucket"
    if name == "nycflights":
        again = f"fab data.get {name} --to bucket"
    try:
        document = json.loads(store.read(f"{name}/{_MANIFEST}"))
        files = {str(key): str(value) for key, value in document["sha256"].items()}
    except ObjectMissing as error:
        raise UsageError(
            f"The bucket {store.bucket} has no flights {name!r}.",
            cause=error.problem,
            next_step=again,
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"s3://{store.bucket}/data/{name}/{_MANIFEST} says nothing of files.",
            cause=f"{type(error).__name__}: {error}",
            next_step=f"{again} --again",
        ) from error
    found = {key: files[key] for key in sorted(files) if key.endswith(".csv")}
    if not found or any(Path(key).name != key for key in found):
        raise UsageError(
            f"{dataset} holds no CSV files of flights.",
            cause=f"There is {', '.join(files) or 'nothing':.200}.",
            next_step=again,
        )
    return found


def fetch(dataset: str, folder: Path, store: Store, expected: dict[str, str]) -> None:
    """Copy the CSV files into a folder.

    Raises
    ------
    TandemError
        If one cannot be had, or is not what was `expected`.
    """
    name = dataset.removeprefix(PREFIX)
    for key in expected:
        store.fetch(f"{name}/{key}", folder / key)
    found = checksums(folder, expected) or {}
    wrong = [key for key in expected if found.get(key) != expected[key]]
    if wrong:
        raise TandemError(
            f"s3://{store.bucket}/data/{name}/{wrong[0]} is not what its manifest says.",
            cause=f"Its SHA-256 is {found.get(wrong[0])}, not {expected[wrong[0]]}.",
            next_step=f"fab data.get {name} --to bucket --again",
        )
