"""The cluster's bucket, for work that reads its data there or keeps something there.

Credentials are those of the machine's role, which the AWS SDK finds by itself. Bring-up proved
on every node that they reach the bucket.

>>> store = open_store()  # doctest: +SKIP
>>> store.write("models/best.json", b"{}")  # doctest: +SKIP
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import UsageError

SETTINGS = Path("~/.tandem/store.json")


@dataclass(frozen=True)
class Store:
    """A bucket and the part of it that is this cluster's; keys are within that part."""

    bucket: str
    region: str
    prefix: str

    def read(self, key: str) -> bytes:
        """Return an object."""
        found = self._client().get_object(Bucket=self.bucket, Key=self._key(key))
        data: bytes = found["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        """Write an object; readers see the old one or all of the new."""
        self._client().put_object(Bucket=self.bucket, Key=self._key(key), Body=data)

    def fetch(self, key: str, path: Path) -> None:
        """Copy an object into a file, in parts at once where it is large."""
        self._client().download_file(self.bucket, self._key(key), str(path))

    def keys(self, beginning: str = "") -> list[str]:
        """Return the keys that begin so."""
        pages = self._client().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.bucket, Prefix=self._key(beginning))
        cut = len(self._key(""))
        return [one["Key"][cut:] for one in found.search("Contents") if one]

    def _key(self, key: str) -> str:
        return f"{self.prefix}/data/{key}"

    def _client(self) -> Any:
        import boto3  # a second of a small machine, which only this work pays

        return boto3.client("s3", region_name=self.region)


def open_store(settings: Path = SETTINGS) -> Store:
    """Return the bucket of the cluster on whose node this runs.

    Raises
    ------
    UsageError
        If the cluster has none.
    """
    try:
        found = json.loads(settings.expanduser().read_text())
        return Store(found["bucket"], found["region"], found["prefix"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "This cluster has no bucket.",
            cause=f"{settings}: {error}",
            next_step="name one in the inventory as bucket, then fab cluster.start",
        ) from error
