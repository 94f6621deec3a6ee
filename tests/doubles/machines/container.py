"""A machine of a cloud as a container: made with what it does at its boot, and started."""

import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker.errors

from infra import node_image
from infra.local_nodes import LOCK
from tests.doubles.machines import user_data

# Of a processor of this computer; what one processor of a machine is.
CPU = "TANDEM_TEST_CPUS"
STOCK = "tandem-test-stock"
_BAKED_IN = ("/opt/tandem", "/usr/local/bin/uv")
_HERE = Path(__file__).parent
_BOOT = ["python3", "-I", "/var/lib/machine/boot.py"]


@dataclass(frozen=True)
class Birth:
    """What a machine is given for its first boot.

    `home_files` are put into the homes of the user and of root, by their names there.
    """

    identity: str
    authorized_key: str
    user_data: bytes
    user: str = "ubuntu"
    home_files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """How a container is called and limited, and where it lies; `cpus` in processors."""

    name: str
    hostname: str
    labels: Mapping[str, str]
    network: str
    address: str
    cpus: float
    memory_mib: int


def one_cpu() -> float:
    """Return how much of a processor of this computer one of a machine is."""
    return float(os.environ.get(CPU, "0.6"))


def image(client: Any, *, baked: bool) -> str:
    """Return the node image, or for a cloud's stock image one without what is baked into it."""
    whole = node_image.wanted_tag(LOCK)
    if baked:
        return whole
    stock = f"{STOCK}:{whole.partition(':')[2]}"
    try:
        client.images.get(stock)
    except docker.errors.ImageNotFound:
        recipe = f"FROM {whole}\nRUN rm -rf {' '.join(_BAKED_IN)}\n"
        client.images.build(fileobj=io.BytesIO(recipe.encode()), tag=stock, rm=True)
    return stock


def make(client: Any, image: str, shape: Shape, birth: Birth) -> Any:
    """Make and start the container of a machine."""
    api = client.api
    endpoint = api.create_endpoint_config(ipv4_address=shape.address)
    made = api.create_container(
        image,
        _BOOT,
        name=shape.name,
        hostname=shape.hostname,
        labels=dict(shape.labels),
        host_config=api.create_host_config(
            network_mode=shape.network,
            init=True,
            nano_cpus=int(shape.cpus * 1e9),
            mem_limit=f"{shape.memory_mib}m",
            pids_limit=4096,
            shm_size="1g",
            security_opt=["no-new-privileges"],
        ),
        networking_config=api.create_networking_config({shape.network: endpoint}),
    )
    api.put_archive(made["Id"], "/var/lib", _files(birth))
    api.start(made["Id"])
    return client.containers.get(made["Id"])


def _files(birth: Birth) -> bytes:
    wishes = user_data.read(birth.user_data)
    given = {
        "instance": birth.identity,
        "user": birth.user,
        "authorized_key": f"{birth.authorized_key.strip()}\n",
        "home_files": dict(birth.home_files),
        "files": wishes.files,
        "every_boot": wishes.every_boot,
        "first_boot": wishes.first_boot,
    }
    files = {
        "boot.json": (json.dumps(given).encode(), 0o600),
        "boot.py": ((_HERE / "boot.py").read_bytes(), 0o755),
        "sudo.py": ((_HERE / "sudo.py").read_bytes(), 0o755),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        folder = tarfile.TarInfo("machine")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(f"machine/{name}")
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
