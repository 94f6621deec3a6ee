"""A real S3 server (versitygw) on loopback, and the files by which it is found."""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from contracts import inventory as inventories
from contracts import machine_files
from contracts.errors import TandemError
from contracts.progress import tell_nobody
from infra import local_store, versitygw
from tests.unit.provision_examples import inventory

BUCKET, ACCESS, SECRET = "tandem-example", "an-access-key", "a-secret-key"
START_SECONDS = 30


@dataclass(frozen=True)
class ObjectStore:
    """The server's process and address, and its key in the format of the AWS SDK."""

    process: "subprocess.Popen[bytes]"
    port: int

    @property
    def client(self) -> Any:
        """A client of S3 with all rights."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET,
            region_name=local_store.REGION,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def key(self, secret: str = SECRET) -> str:
        """Return the file by which the server is found and asked."""
        return (
            f"[default]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {secret}\n"
            f"endpoint_url = http://127.0.0.1:{self.port}\ns3 =\n    addressing_style = path\n"
        )

    def put(self, name: str, **arrays: Any) -> None:
        """Put arrays under a name of data."""
        for key, array in arrays.items():
            packed = io.BytesIO()
            np.save(packed, array)
            self.client.put_object(
                Bucket=BUCKET, Key=f"data/{name}/{key}.npy", Body=packed.getvalue()
            )

    def remove(self, name: str, key: str = "X") -> None:
        """Remove one array of some data."""
        self.client.delete_object(Bucket=BUCKET, Key=f"data/{name}/{key}.npy")

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Let the server take connections and answer nothing for the length of the block."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def found_from(self, home: Path, state: Path) -> None:
        """Write what a node at `home` and an operator with `state` know of the bucket."""
        settings = {
            "bucket": BUCKET,
            "region": local_store.REGION,
            "prefix": "example/20261121T090000Z",
        }
        of_node = home / ".tandem/credentials/store.ini"
        of_operator = machine_files.store(state, "example")
        for path in (of_node, of_operator):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.key())
        (home / ".tandem/store.json").write_text(json.dumps(settings))
        known = inventory(bucket=BUCKET, bucket_region=local_store.REGION)
        inventories.dump(known, state / "inventory.json")


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Start the server with an empty bucket; skip the test where there is no such program."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    try:
        program = versitygw.ensure(Path(cache) / "tandem-test-tools", tell_nobody)
    except TandemError as error:
        pytest.skip(error.problem)
    for name in ("data", "marks"):
        (folder / name).mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--quiet", "--port", f"127.0.0.1:{port}", "posix"]
    keys = {"ROOT_ACCESS_KEY_ID": ACCESS, "ROOT_SECRET_ACCESS_KEY": SECRET}
    with open(folder / "log", "wb") as log, subprocess.Popen(
        [*command, "--sidecar", folder / "marks", folder / "data"],
        env={**os.environ, **keys}, stdout=log, stderr=log,
    ) as process:  # fmt: skip
        made = ObjectStore(process, port)
        try:
            _await(made, folder / "log")
            yield made
        finally:
            process.kill()


def _await(made: ObjectStore, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            made.client.create_bucket(Bucket=BUCKET)
            return
        except BotoCoreError:
            assert time.monotonic() < end, log.read_text()
            assert made.process.poll() is None, log.read_text()
            time.sleep(0.05)
