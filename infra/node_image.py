"""The image of the local machines, with the locked environment baked in."""

import hashlib
import io
import os
import shutil
import sysconfig
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import docker
import docker.errors

from contracts import environment
from contracts.errors import DeadlineError, RefusedError, TandemError, UsageError
from contracts.progress import Event, Tell, step
from infra import base_image, docker_engine

REPOSITORY = "tandem-node"
_RECIPE = Path(__file__).parent / "node_recipe"
_AUTHORITIES = Path("/usr/local/share/ca-certificates")
_BUILD_SECONDS = 1800.0


def lock_fingerprint(lock: Path) -> str:
    """Return the first 16 hexadecimal digits of the lock's SHA-256."""
    if not lock.is_file():
        raise UsageError(
            f"There is no lock file {lock}.", next_step="make lock, or git checkout it"
        )
    return environment.lock_fingerprint(lock.read_bytes())


def ensure(lock: Path, state: Path, tell: Tell) -> str:
    """Return the tag of the node image for this lock, building what is missing.

    The tag is made of the lock's hash and the recipe's, so an image that is there fits.

    Raises
    ------
    TandemError
        If it cannot be built; the message carries the end of the build's output.
    """
    files = build_files(lock)
    tag = image_tag(lock_fingerprint(lock), files)
    with docker_engine.connect(timeout=600.0) as client:
        try:
            client.images.get(tag)
        except docker.errors.ImageNotFound:
            _check_space(client)
        else:
            tell(Event("setup", "node image", "skipped", detail=f"{tag} is there"))
            return tag
        base = base_image.ensure(client, state, tell)
        with step(tell, "setup", "build node image"):
            _build(client, files, _arguments(base, lock), tag, tell)
    return tag


def wanted_tag(lock: Path) -> str:
    """Return the tag of the node image for this lock, built or not."""
    return image_tag(lock_fingerprint(lock), build_files(lock))


def remove_all(tell: Tell) -> tuple[str, ...]:
    """Remove every image that we made, base images and left-overs of failed builds too.

    Raises
    ------
    TandemError
        If a container still uses one; what came before it is removed.
    """
    removed = []
    with docker_engine.connect() as client:
        for image in client.images.list(filters={"label": "tandem.image"}):
            for name in image.tags or [image.id]:
                with step(tell, "setup", f"remove {name}"):
                    client.images.remove(name)
                removed.append(name)
    return tuple(removed)


def image_tag(fingerprint: str, files: Mapping[str, bytes]) -> str:
    """Return the name of the image that these files make."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return f"{REPOSITORY}:{fingerprint}-{digest.hexdigest()[:12]}"


def build_files(lock: Path) -> dict[str, bytes]:
    """Return the build's input, by name."""
    uv = shutil.which("uv", path=sysconfig.get_path("scripts")) or shutil.which("uv")
    if uv is None:
        raise TandemError("There is no uv beside this Python.", next_step="make setup")
    files = {path.name: path.read_bytes() for path in _RECIPE.iterdir() if path.is_file()}
    files["requirements.lock"] = lock.read_bytes()
    files["uv"] = Path(uv).read_bytes()
    files["authorities/README"] = b"Extra certificate authorities of the operator's machine.\n"
    if _AUTHORITIES.is_dir():
        for path in _AUTHORITIES.rglob("*.crt"):
            files[f"authorities/{path.name}"] = path.read_bytes()
    return files


def _arguments(base: str, lock: Path) -> dict[str, str]:
    settings = {
        name: os.environ[name] for name in environment.INDEX_VARIABLES if os.environ.get(name)
    }
    for name, address in settings.items():
        if "@" in address:
            raise RefusedError(
                f"{name} holds a password, and an image keeps what it was built with.",
                next_step=f"set {name} without user and password, and let the mirror know this "
                "machine by other means; then fab setup.run",
            )
    return {
        "BASE": base,
        "PACKAGES": " ".join(base_image.PACKAGES),
        "LOCK_FINGERPRINT": lock_fingerprint(lock),
        **settings,
    }


def _check_space(client: docker.DockerClient) -> None:
    root = Path(client.info().get("DockerRootDir", "/var/lib/docker"))
    if not root.exists():
        return  # an engine on another machine, or a folder we may not see
    free = shutil.disk_usage(root).free
    if free < base_image.SPACE_NEEDED:
        raise TandemError(
            f"{root} has {free / 1024**3:.1f} GiB free; building the node image takes "
            f"{base_image.SPACE_NEEDED / 1024**3:.0f} GiB.",
            next_step="free some space (docker system prune), then fab setup.run",
        )


def build_context(files: Mapping[str, bytes]) -> io.BytesIO:
    """Return the build's input as the archive that the engine takes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755 if name == "uv" else 0o644
            archive.addfile(entry, io.BytesIO(content))
    stream.seek(0)
    return stream


def _build(
    client: docker.DockerClient,
    files: Mapping[str, bytes],
    arguments: Mapping[str, str],
    tag: str,
    tell: Tell,
) -> None:
    end = time.monotonic() + _BUILD_SECONDS
    output: list[str] = []
    lines = client.api.build(
        fileobj=build_context(files),
        custom_context=True,
        tag=tag,
        buildargs=dict(arguments),
        rm=True,
        forcerm=True,
        decode=True,
    )
    error = ""
    for line in lines:
        # An answer that is not read to its end keeps its socket open.
        error = error or line.get("error", "")
        text = line.get("stream", "").strip()
        if text:
            output = [*output[-30:], text]
            detail = text.splitlines()[-1].split(" : ", 1)[-1][:60]
            tell(Event("setup", "build node image", "running", detail=detail))
        if time.monotonic() > end:
            raise DeadlineError(
                waited_for="the node image to be built",
                whom="the Docker engine",
                seconds=_BUILD_SECONDS,
                last_state=output[-1] if output else "no output",
                next_step="check the network, then fab setup.run",
            )
    if error:
        raise _build_error(error, output)


def _build_error(error: str, output: list[str]) -> TandemError:
    if "no space left" in error.lower() or any("no space left" in one for one in output):
        return TandemError(
            "The disk ran full while the node image was built.",
            cause=error[:300],
            next_step="free some space (docker system prune), then fab setup.run",
        )
    return TandemError(
        "The node image could not be built.",
        cause="\n".join([*output[-8:], error])[-1200:],
        next_step="mend what the output says, then fab setup.run",
    )
