"""The cluster's bucket, for work that reads its data there or keeps something there.

On a node, credentials are those of the machine's role, which the AWS SDK finds by itself, or
those that bring-up brought; it proved on every node that they reach the bucket. Data lie under
`data/` for every cluster that has the bucket, now or later; what a run found lies with the rest
of its cluster.

>>> store = open_store()  # doctest: +SKIP
>>> store.write("models/best.json", b"{}")  # doctest: +SKIP
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import inventory as inventories
from contracts import machine_files
from contracts.errors import TandemError, UsageError
from contracts.files import state_folder

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

    def facts(self, key: str) -> Facts:
        """Return what there is to know of an object of the data without reading it."""
        found = self._ask("head_object", key)
        return Facts(int(found["ContentLength"]), str(found["ETag"]).strip('"'))

    def read(self, key: str, first: int | None = None) -> bytes:
        """Return an object of the data, or its `first` bytes."""
        part = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
        data: bytes = self._ask("get_object", key, **part)["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        """Write an object of the data; readers see the old one or all of the new."""
        self._ask("put_object", key, Body=data)

    def fetch(self, key: str, path: Path) -> None:
        """Copy an object of the data into a file, in parts at once where it is large."""
        self._ask("download_file", key, Filename=str(path))

    def keys(self, beginning: str = "") -> list[str]:
        """Return the keys of the data that begin so."""
        pages = self._client().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.bucket, Prefix=f"{DATA}/{beginning}")
        return [one["Key"].removeprefix(f"{DATA}/") for one in found.search("Contents") if one]

    def keep(self, name: str, path: Path) -> str:
        """Copy a file to what this cluster found; return its whole key."""
        from boto3.s3.transfer import TransferConfig

        key = f"{self.prefix}/{RESULTS}/{name}"
        whole = TransferConfig(multipart_threshold=ONE_PART_BYTES)
        self._call("upload_file", key, Filename=str(path), Config=whole)
        return key

    def _ask(self, method: str, key: str, **options: Any) -> Any:
        return self._call(method, f"{DATA}/{key}", **options)

    def _call(self, method: str, key: str, **options: Any) -> Any:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            call = getattr(self._client(), method)
            return call(Bucket=self.bucket, Key=key, **options)
        except (BotoCoreError, Boto3Error, ClientError) as error:
            raise TandemError(
                f"s3://{self.bucket}/{key} cannot be used here.",
                cause=f"{type(error).__name__}: {error}",
                next_step="see that the object is there and that these credentials may use it: "
                "a node's are its role's, the operator's those of AWS_PROFILE",
            ) from error

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
            next_step="name one in the inventory as bucket, then fab cluster.start",
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
            next_step="pulumi up --stack aws makes one; or name one in the inventory as bucket",
        )
    own = _present(machine_files.store(state_folder(), known.cluster_id))
    return Store(known.bucket, known.bucket_region or known.region, known.cluster_id, own)


def _present(path: Path) -> Path | None:
    return path if path.exists() else None
