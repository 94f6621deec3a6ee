"""The system that the node image starts from: a stock image, or a debootstrap of our own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import docker.errors
import requests.exceptions

from contracts.errors import TandemError
from contracts.progress import Event, Tell, step
from infra import commands

STOCK = "debian:bookworm-slim"
OWN = "tandem-base:bookworm"
SUITE = "bookworm"
PACKAGES = (
    "openssh-server",
    "python3",
    "python3-venv",
    "procps",
    "iproute2",
    "ca-certificates",
)
SPACE_NEEDED = 4 * 1024**3
_BOOTSTRAP_SECONDS = 1200.0
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists")


def ensure(client: docker.DockerClient, state: Path, tell: Tell) -> str:
    """Return the name of a base image that the engine has.

    The stock image is pulled where a registry answers. Elsewhere a system of the same
    release is made by debootstrap, once; that needs root and a package mirror.

    Raises
    ------
    TandemError
        If neither way is open; the message says what would open one.
    """
    for name in (STOCK, OWN):
        if _has(client, name):
            tell(Event("setup", "base image", "skipped", detail=f"{name} is there"))
            return name
    refusal = _pull(client, tell)
    if refusal is None:
        return STOCK
    _bootstrap(client, state, tell, refusal)
    return OWN


def _has(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def _pull(client: docker.DockerClient, tell: Tell) -> str | None:
    """Pull the stock image; return why it could not be, or None."""
    try:
        with step(tell, "setup", "pull base image"):
            repository, _, tag = STOCK.partition(":")
            client.images.pull(repository, tag=tag)
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        return str(error).splitlines()[0][:300]
    return None


def _bootstrap(client: docker.DockerClient, state: Path, tell: Tell, refusal: str) -> None:
    if os.geteuid() != 0:
        raise TandemError(
            f"The image {STOCK} cannot be pulled, and only root can make a base without it.",
            cause=refusal,
            next_step=f"docker pull {STOCK} where a registry can be reached, "
            "or run fab setup.run as root",
        )
    if shutil.which("debootstrap") is None:
        _install_debootstrap(tell, refusal)
    with _rootfs(state) as root:
        command = _bootstrap_command(root)
        commands.run(command, "debootstrap base system", tell, timeout=_BOOTSTRAP_SECONDS)
        _strip(root)
        with step(tell, "setup", "import base image"):
            _import(client, root)


def _bootstrap_command(root: Path) -> list[str]:
    included = f"--include={','.join(PACKAGES)}"
    return ["debootstrap", "--variant=minbase", included, SUITE, str(root)]


def _install_debootstrap(tell: Tell, refusal: str) -> None:
    if shutil.which("apt-get") is None:
        raise TandemError(
            f"The image {STOCK} cannot be pulled, and there is no debootstrap to make a base.",
            cause=refusal,
            next_step="install debootstrap, then fab setup.run",
        )
    # Ubuntu does not know Debian's keys without the second package.
    commands.install(["debootstrap", "debian-archive-keyring"], tell)


@contextmanager
def _rootfs(state: Path) -> Iterator[Path]:
    """Give an empty folder for a system, and remove it afterwards, mounts first."""
    root = state / "rootfs"
    _remove(root)
    root.mkdir(parents=True)
    try:
        yield root
    finally:
        _remove(root)


def _remove(root: Path) -> None:
    # A debootstrap that was killed leaves /proc mounted inside, which must not be deleted.
    mounts = Path("/proc/mounts").read_text().splitlines()
    inside = [
        line.split(" ")[1] for line in mounts if line.split(" ")[1].startswith(f"{root}/")
    ]
    for place in sorted(inside, reverse=True):
        subprocess.run(["umount", "--lazy", place], check=True, timeout=30)
    if root.exists():
        shutil.rmtree(root)


def _strip(root: Path) -> None:
    for name in _UNUSED:
        folder = root / name
        if folder.is_dir():
            shutil.rmtree(folder)
            folder.mkdir()
    for archive in (root / "var/cache/apt").rglob("*.*"):
        if archive.is_file():
            archive.unlink()


def _import(client: docker.DockerClient, root: Path) -> None:
    command = ["tar", "--create", "--numeric-owner", "--directory", str(root), "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
        repository, _, tag = OWN.partition(":")
        client.api.import_image_from_stream(
            tar.stdout, repository=repository, tag=tag, changes=["LABEL tandem.image=base"]
        )
    if tar.returncode != 0:
        client.images.remove(OWN)
        raise TandemError(f"tar of {root} ended with {tar.returncode}.")
