"""The cluster's bucket, seen from a node through the role of its machine, or a key of its own.

Runs with the environment's Python, which has boto3.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import secrets
import tarfile
import tempfile
from typing import Any

from provision.node.program import Channel, Failure

# Relative to Tandem's folder. Never the credentials, which lie beside them.
KEPT = ("logs", "runs", "ray/session_*/logs")
SETTINGS = "store.json"
# There where machines have no role for the bucket; it says where the bucket is, too.
CREDENTIALS = "credentials/store.ini"
CONNECT_SECONDS = 5
SILENCE_SECONDS = 20
ATTEMPTS = 3
# Up to the most that S3 takes at once. Swift keeps the parts of an object that came in parts in
# a container of its own, which nobody would remove.
ONE_PART_BYTES = 5 * 1024**3


def main(request: dict[str, Any], channel: Channel) -> Any:
    """Do what `ask` says: `check` the bucket, `save` what was written here, or `put` a file.

    `request` names the `bucket`, its `region`, the `prefix` of the keys and this `node`.
    """
    home = os.path.join(os.path.expanduser("~"), ".tandem")
    work = {"check": _check, "save": _save, "put": _put}[request["ask"]]
    try:
        return work(home, request)
    except Failure:
        raise
    except Exception as error:
        raise Failure(
            f"the bucket {request['bucket']} cannot be used from this machine.",
            cause=f"{type(error).__name__}: {error}",
            next_step="see that the machine's role may read and write that bucket and that its "
            "network reaches S3; pulumi up repairs both where they are the stack's",
        ) from error


def save(bucket: str, region: str, prefix: str, node: str) -> str:
    """Save what was written on this node; what the machine does last, by its own decision."""
    home = os.path.join(os.path.expanduser("~"), ".tandem")
    request = {"bucket": bucket, "region": region, "prefix": prefix, "node": node}
    return str(_save(home, request)["key"])


def _client(region: str) -> Any:
    import boto3
    from botocore.config import Config

    key = os.path.join(os.path.expanduser("~"), ".tandem", CREDENTIALS)
    if os.path.exists(key):
        os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = key
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=SILENCE_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    return boto3.client("s3", region_name=region, config=config)


def _send(stream: Any, request: dict[str, Any], key: str) -> None:
    from boto3.s3.transfer import TransferConfig

    whole = TransferConfig(multipart_threshold=ONE_PART_BYTES)
    client = _client(request["region"])
    client.upload_fileobj(stream, request["bucket"], key, Config=whole)


def _check(home: str, request: dict[str, Any]) -> dict[str, Any]:
    """Write an object, read it back, remove it, and note for the work where the bucket is.

    It is removed with its version, so that a bucket in which nothing was kept is empty.
    """
    client, sent = _client(request["region"]), secrets.token_hex(16)
    key = f"{request['prefix']}/reached/{request['node']}"
    one = {"Bucket": request["bucket"], "Key": key}
    made = client.put_object(**one, Body=sent.encode())
    got = client.get_object(**one)["Body"].read()
    version = {"VersionId": made["VersionId"]} if made.get("VersionId") else {}
    with contextlib.suppress(client.exceptions.ClientError):
        client.delete_object(**one, **version)  # a role may be older than this right of it
    if got.decode(errors="replace") != sent:
        raise Failure(f"the bucket {request['bucket']} gave back something else than was sent.")
    settings = {name: request[name] for name in ("bucket", "region", "prefix")}
    path = os.path.join(home, SETTINGS)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.part"
    with open(temporary, "w") as stream:
        json.dump(settings, stream)
    os.replace(temporary, path)
    return {"key": key}


def _save(home: str, request: dict[str, Any]) -> dict[str, Any]:
    """Pack logs and runs into one object, named after the node."""
    key = f"{request['prefix']}/nodes/{request['node']}.tar.gz"
    with tempfile.TemporaryFile() as stream:
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            for pattern in KEPT:
                for path in sorted(glob.glob(os.path.join(home, pattern))):
                    archive.add(path, os.path.relpath(path, home), filter=_plain)
        size = stream.tell()
        stream.seek(0)
        _send(stream, request, key)
    return {"key": key, "bytes": size}


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out sockets and links, which mean nothing elsewhere."""
    return entry if entry.isfile() or entry.isdir() else None


def _put(home: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send a file that the operator brought here, and forget it here."""
    path = os.path.join(home, "outbox", request["file"])
    key = f"{request['prefix']}/{request['file']}"
    try:
        with open(path, "rb") as stream:
            _send(stream, request, key)
        return {"key": key, "bytes": os.path.getsize(path)}
    finally:
        os.unlink(path)
