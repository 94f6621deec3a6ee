"""The cluster's bucket, for work that reads its data there or keeps something there.

On a node, credentials are those of the machine's role, which the AWS SDK finds by itself, or
those that bring-up brought; it proved on every node that they reach the bucket. Data lie under
`data/` for every cluster that has the bucket, now or later; what a run found lies with the rest
of its cluster.

>>> store = open_store()  # doctest: +SKIP
>>> store.write("models/best.json", b"{}")  # doctest: +SKIP
"""

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import inventory as inventories
from contracts import machine_files
from contracts.errors import TandemError, UsageError
from contracts.files import state_folder
from workloads.store_errors import named

SETTINGS = Path("~/.tandem/store.json")
CREDENTIALS = Path("~/.tandem/credentials/store.ini")
DATA = "data"
RESULTS = "results"
CONNECT_SECONDS = 5
SILENCE_SECONDS = 20
ATTEMPTS = 3
# Up to the most that S3 takes at once. Swift keeps the parts of an object that came in parts in
# a container of its own, which nobody would remove.
ONE_PART_BYTES = 5 * 1024**3


@dataclass(frozen=True)
class Facts:
    """What a bucket says of an object; `mark` is another when its content is."""

    size: int
    mark: str


@dataclass(frozen=True)
class Store:
    """A bucket; `prefix` is the part of it in which a cluster keeps what it found.

    `credentials` is a file of them and of where the bucket is, in the format of the AWS SDK's
    configuration, if the SDK shall not find them by itself.

    Every method raises TandemError, with the cloud's own words, if the bucket refuses.
    """

    bucket: str
    region: str
    prefix: str
    credentials: Path | None = None

    def warm_up(self) -> None:
        """Load what asking takes, without asking anything."""
        self._asker.can_paginate("list_objects_v2")

    def facts(self, key: str) -> Facts:
        """Return what there is to know of an object of the data without reading it."""
        found = self._ask("head_object", key)
        return Facts(int(found["ContentLength"]), str(found["ETag"]).strip('"'))

    def read(self, key: str, first: int | None = None) -> bytes:
        """Return an object of the data, or its `first` bytes."""
        part = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
        return self._body(key, part)

    def read_part(self, key: str, first: int, size: int, mark: str) -> bytes:
        """Return `size` bytes of an object of the data from byte `first` on.

        Raises ObjectReplaced if its mark is not `mark` any more.
        """
        part = {"Range": f"bytes={first}-{first + size - 1}", "IfMatch": f'"{mark}"'}
        data = self._body(key, part)
        if len(data) != size:
            raise TandemError(
                f"s3://{self.bucket}/{DATA}/{key} ended early: of {size} bytes at {first} "
                f"there were {len(data)}."
            )
        return data

    def write(self, key: str, data: bytes) -> None:
        """Write an object of the data; readers see the old one or all of the new."""
        self._ask("put_object", key, Body=data)

    def send(self, key: str, path: Path) -> None:
        """Copy a file to an object of the data; readers see the old one or all of the new."""
        from boto3.s3.transfer import TransferConfig

        whole = TransferConfig(multipart_threshold=ONE_PART_BYTES)
        self._ask("upload_file", key, Filename=str(path), Config=whole)

    def fetch(self, key: str, path: Path) -> None:
        """Copy an object of the data into a file, in parts at once where it is large."""
        self._ask("download_file", key, Filename=str(path))

    def keys(self, beginning: str = "") -> list[str]:
        """Return the keys of the data that begin so."""
        start = f"{DATA}/{beginning}"

        def look() -> list[str]:
            pages = self._asker.get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self.bucket, Prefix=start).search("Contents")
            return [one["Key"].removeprefix(f"{DATA}/") for one in found if one]

        return list(self._told(start, look))

    def keep(self, name: str, path: Path) -> str:
        """Copy a file to what this cluster found; return its whole key."""
        from boto3.s3.transfer import TransferConfig

        key = f"{self.prefix}/{RESULTS}/{name}"
        whole = TransferConfig(multipart_threshold=ONE_PART_BYTES)
        self._call("upload_file", key, Filename=str(path), Config=whole)
        return key

    def _ask(self, method: str, key: str, **options: Any) -> Any:
        return self._call(method, f"{DATA}/{key}", **options)

    def _body(self, key: str, part: dict[str, Any]) -> bytes:
        """Return what an object holds; its answer may break off after it began."""
        whole = f"{DATA}/{key}"

        def read() -> bytes:
            found = self._asker.get_object(Bucket=self.bucket, Key=whole, **part)
            return bytes(found["Body"].read())

        return bytes(self._told(whole, read))

    def _call(self, method: str, key: str, **options: Any) -> Any:
        return self._told(
            key, lambda: getattr(self._asker, method)(Bucket=self.bucket, Key=key, **options)
        )

    def _told(self, key: str, work: Callable[[], Any]) -> Any:
        """Do some work with an object; its failures are errors of ours."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        begin = time.monotonic()
        try:
            return work()
        except (BotoCoreError, Boto3Error, ClientError, OSError) as error:
            where = f"s3://{self.bucket}/{key}"
            raise named(error, where, time.monotonic() - begin) from error

    @functools.cached_property
    def _asker(self) -> Any:
        """One client for all that is asked: a new one costs as much as reading megabytes."""
        return self._client()

    def _client(self) -> Any:
        import boto3  # a second of a small machine, which only this work pays
        from botocore.config import Config
        from botocore.session import Session

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SILENCE_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        # A profile that is named goes before variables, which may be those of another account.
        asker = Session(profile="default" if self.credentials else None)
        if self.credentials:
            asker.set_config_variable("config_file", str(self.credentials))
            asker.set_config_variable("credentials_file", str(self.credentials))
        session = boto3.Session(botocore_session=asker)
        return session.client("s3", region_name=self.region, config=config)


def open_store(settings: Path = SETTINGS) -> Store:
    """Return the bucket of the cluster on whose node this runs.

    Raises
    ------
    UsageError
        If the cluster has none.
    """
    try:
        found = json.loads(settings.expanduser().read_text())
        where = found["bucket"], found["region"], found["prefix"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "This cluster has no bucket.",
            cause=f"{settings}: {error}",
            next_step="fab local.bucket for local machines; else name one in the inventory as "
            "bucket; then fab cluster.start",
        ) from error
    return Store(*where, _present(CREDENTIALS.expanduser()))


def operators_store() -> Store:
    """Return the bucket of the cluster that this operator has, to look into and not to keep.

    Raises
    ------
    UsageError
        If there is no inventory, or none that names a bucket.
    """
    path = state_folder() / "inventory.json"
    known = inventories.load(path)
    if known.bucket is None:
        raise UsageError(
            f"The inventory of {known.cluster_id!r} names no bucket.",
            cause=f"It is {path}.",
            next_step="fab local.bucket makes one for local machines, pulumi up on a cloud; or "
            "name one in the inventory as bucket",
        )
    own = _present(machine_files.store(state_folder(), known.cluster_id))
    return Store(known.bucket, known.bucket_region or known.region, known.cluster_id, own)


def _present(path: Path) -> Path | None:
    return path if path.exists() else None
