"""A bucket for local machines: a real S3 server in a container of their network.

Nodes and the operator reach it as they would reach S3, with a key that provision brings to
the nodes; nothing of it is published outside the cluster's network. What it keeps goes with
the machines.
"""

import io
import secrets
import tarfile
import time
from pathlib import Path
from typing import Any

import docker
import docker.errors
import docker.types

from contracts import machine_files
from contracts.errors import DeadlineError, TandemError
from contracts.files import write_atomically
from contracts.progress import Tell, step
from infra import local_containers as containers
from infra.docker_engine import refusal
from infra.local_network import CLUSTER, DOOR, OWNER
from infra.local_observed import BUCKET
from infra.local_plan import Bucket, Network, store_address

REGION = "us-east-1"  # what S3 servers of one's own call the only region that they have
PORT = 7070
_FOLDER = "srv/store"
_MEMORY = 1 << 30
_START_SECONDS = 60.0
# Files of a nobody: the server needs no right beyond its own folder.
_USER = 65534
_RUN = (
    f"set -a; . /{_FOLDER}/keys; set +a; exec /{_FOLDER}/versitygw --quiet --port :{PORT} "
    f"posix --sidecar /{_FOLDER}/marks /{_FOLDER}/data"
)
_KEY = """[default]
aws_access_key_id = {access}
aws_secret_access_key = {secret}
endpoint_url = http://{address}:{port}
s3 =
    addressing_style = path
"""


def name_of(cluster_id: str) -> str:
    """Return the name of a cluster's bucket."""
    return f"tandem-{cluster_id}"


def make(
    client: docker.DockerClient,
    *,
    cluster_id: str,
    state: Path,
    network: Network,
    image: str,
    program: Path,
    tell: Tell,
) -> None:
    """Make the server and its one bucket, and keep the key to it beside the operator's.

    The key is written into the container and into a file of the operator's, and appears in
    no argument, label or setting of the container.

    Raises
    ------
    TandemError
        If the engine refuses, or the server does not answer; the container is removed again.
    """
    access, secret = secrets.token_hex(10), secrets.token_hex(20)
    address = store_address(network.subnet)
    key = _KEY.format(access=access, secret=secret, address=address, port=PORT)
    path = machine_files.store(state, cluster_id)
    with step(tell, "bucket", "make S3 server"):
        made = _create(client, cluster_id, network, image)
        try:
            client.api.put_archive(made, "/", _files(program, access, secret))
            client.api.start(made)
            write_atomically(path, key.encode(), mode=0o600)
            _await_bucket(path, name_of(cluster_id))
        except docker.errors.APIError as error:
            containers.remove_machine(client, made)
            raise refusal("The S3 server could not be started", error) from error
        except BaseException:
            path.unlink(missing_ok=True)
            containers.remove_machine(client, made)
            raise


def wake(client: docker.DockerClient, store: Bucket, path: Path) -> bool:
    """Start or resume a server that stands still; return whether it did."""
    if store.state == "running":
        return False
    if store.state == "paused":
        containers.resume(client, store.instance_id)
    else:
        client.api.start(store.instance_id)
    _await_bucket(path, store.bucket)
    return True


def _create(client: docker.DockerClient, cluster_id: str, network: Network, image: str) -> str:
    api = client.api
    endpoint = api.create_endpoint_config(ipv4_address=store_address(network.subnet))
    host = api.create_host_config(
        network_mode=network.name,
        init=True,
        mem_limit=_MEMORY,
        memswap_limit=_MEMORY,
        pids_limit=512,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        log_config=docker.types.LogConfig(
            type="json-file", config={"max-size": "1m", "max-file": "1"}
        ),
    )
    labels = {CLUSTER: cluster_id, DOOR: network.door, OWNER: network.owner}
    try:
        made: dict[str, str] = api.create_container(
            image,
            ["/bin/sh", "-c", _RUN],
            name=f"tandem-{cluster_id}-store",
            hostname="store",
            user=f"{_USER}:{_USER}",
            labels={**labels, BUCKET: name_of(cluster_id)},
            host_config=host,
            networking_config=api.create_networking_config({network.name: endpoint}),
        )
    except docker.errors.APIError as error:
        raise refusal("The S3 server could not be made", error) from error
    return made["Id"]


def _files(program: Path, access: str, secret: str) -> bytes:
    keys = f"ROOT_ACCESS_KEY_ID={access}\nROOT_SECRET_ACCESS_KEY={secret}\n".encode()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for folder in ("", "/data", "/marks"):
            entry = tarfile.TarInfo(f"{_FOLDER}{folder}")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o700
            _add(archive, entry, b"")
        for name, content, mode in (
            ("keys", keys, 0o600),
            ("versitygw", program.read_bytes(), 0o700),
        ):
            entry = tarfile.TarInfo(f"{_FOLDER}/{name}")
            entry.mode = mode
            _add(archive, entry, content)
    return stream.getvalue()


def _add(archive: tarfile.TarFile, entry: tarfile.TarInfo, content: bytes) -> None:
    entry.uid = entry.gid = _USER
    entry.size, entry.mtime = len(content), int(time.time())
    archive.addfile(entry, io.BytesIO(content))


def _await_bucket(path: Path, bucket: str) -> None:
    """Wait until the server answers, and make its bucket where there is none."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = _client(path)
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            if bucket not in [one["Name"] for one in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket=bucket)
            return
        except ClientError as error:
            raise TandemError(
                "The S3 server refused to make its bucket.",
                cause=str(error),
                next_step="fab local.down, then fab local.up and fab local.bucket",
            ) from error
        except BotoCoreError as error:
            if time.monotonic() > end:
                raise DeadlineError(
                    waited_for="the S3 server to answer",
                    whom=bucket,
                    seconds=_START_SECONDS,
                    last_state=str(error),
                    next_step=f"docker logs {bucket}-store",
                ) from error
            time.sleep(0.1)


def _client(path: Path) -> Any:
    import boto3
    from botocore.config import Config
    from botocore.session import Session

    asker = Session(profile="default")
    asker.set_config_variable("config_file", str(path))
    asker.set_config_variable("credentials_file", str(path))
    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
    session = boto3.Session(botocore_session=asker)
    return session.client("s3", region_name=REGION, config=config)
