"""Find a Docker engine, or install and start one, and stop only the one we started."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import docker.errors
import requests.exceptions

from contracts.errors import DeadlineError, RefusedError, TandemError
from contracts.files import write_json
from contracts.progress import Event, Tell, step
from infra import commands
from infra.processes import Started, is_alive, read_record, start_ticks

INSTALL = (
    "install Docker (on Debian or Ubuntu: sudo apt-get install docker.io && "
    "sudo usermod -aG docker $USER, then log in again), and run fab setup.run"
)
_PACKAGES = ("docker.io", "iptables")
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0


class NoEngine(TandemError):
    """There is no Docker engine that answers us."""


def sockets(environment: Mapping[str, str], home: Path) -> tuple[str, ...]:
    """Return the addresses at which an engine may answer, the likeliest first."""
    if environment.get("DOCKER_HOST"):
        return (environment["DOCKER_HOST"],)
    places = [Path("/var/run/docker.sock")]
    if environment.get("XDG_RUNTIME_DIR"):
        places.append(Path(environment["XDG_RUNTIME_DIR"]) / "docker.sock")
    places.append(home / ".docker/run/docker.sock")
    return tuple(f"unix://{place}" for place in places)


@contextlib.contextmanager
def connect(*, timeout: float = 120.0) -> Iterator[docker.DockerClient]:
    """Open a connection to the engine; `timeout` is the longest silence, in seconds.

    Raises
    ------
    NoEngine
        If none answers; the message says what to install or to start.
    """
    causes = []
    for address in sockets(os.environ, Path.home()):
        try:
            client = _open(address, timeout)
        except (OSError, docker.errors.DockerException) as error:
            causes.append(f"{address}: {_reason(error)}")
            continue
        with contextlib.closing(client), _in_our_words():
            yield client
        return
    raise NoEngine(
        "No Docker engine answers.", cause="; ".join(causes), next_step=advice(causes)
    )


def answers() -> bool:
    """Say whether an engine answers now."""
    try:
        with connect(timeout=10.0):
            return True
    except NoEngine:
        return False


def refusal(what: str, error: docker.errors.DockerException) -> TandemError:
    """Return the engine's refusal as an error of ours; a full disk is called by its name."""
    reason = str(getattr(error, "explanation", None) or error)
    if "no space left" in reason.lower():
        return TandemError(
            f"{what}: the disk is full.",
            cause=reason[:400],
            next_step="free some space (docker system prune), then run the same command again",
        )
    return TandemError(
        f"{what}.", cause=reason[:400], next_step="mend that, then run the same command again"
    )


def ensure(state: Path, tell: Tell) -> str:
    """Make sure that an engine answers; return in words where it came from.

    As root on Debian or Ubuntu the engine is installed by apt where it is missing, and
    started where it does not run; the process id of what we start is kept in `state`.

    Raises
    ------
    NoEngine
        Without root, or on another system: the message says what to install.
    DeadlineError
        If the engine that we started does not answer in time.
    """
    if answers():
        tell(Event("setup", "docker engine", "skipped", detail="answers already"))
        return "found"
    if os.environ.get("DOCKER_HOST") or os.geteuid() != 0:
        with connect():  # there is nothing we may start, so its error is the answer
            return "found"
    if shutil.which("dockerd") is None:
        _install(tell)
    with step(tell, "setup", "start docker engine"):
        _start(state, tell)
    return "started"


def stop(state: Path, tell: Tell) -> bool:
    """Stop the engine that `ensure` started; return False if it started none that lives.

    Raises
    ------
    RefusedError
        If containers run in it: stopping it would stop them.
    """
    record = state / "engine.json"
    started = read_record(record)
    if started is None or not is_alive(started):
        record.unlink(missing_ok=True)
        return False
    with connect() as client:
        running = sorted(one.name for one in client.containers.list())
    if running:
        raise RefusedError(
            f"The Docker engine that Tandem started still runs {', '.join(running)}.",
            next_step="fab local.down for machines of Tandem, docker stop for others; "
            "then fab setup.clean",
        )
    with step(tell, "setup", "stop docker engine"):
        _terminate(started)
    record.unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def _in_our_words() -> Iterator[None]:
    """Turn what the engine refuses, or does not answer in time, into errors of ours."""
    try:
        yield
    except docker.errors.DockerException as error:
        raise refusal("The Docker engine refused", error) from error
    except requests.exceptions.RequestException as error:
        raise TandemError(
            "The Docker engine did not answer to the end.",
            cause=str(error)[:400],
            next_step="docker info, to see whether it still runs; then the same command again",
        ) from error


def _open(address: str, timeout: float) -> docker.DockerClient:
    if address.startswith("unix://"):
        # The SDK leaves its socket open when nobody listens, so ask first.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(timeout)
            probe.connect(address.removeprefix("unix://"))
    client = docker.DockerClient(base_url=address, timeout=int(timeout))
    try:
        client.ping()
    except BaseException:
        client.close()
        raise
    return client


def _reason(error: BaseException) -> str:
    text = str(error)
    for sign in ("Permission denied", "No such file or directory", "Connection refused"):
        if sign in text:
            return sign.lower()
    return text.splitlines()[0][:200] if text else type(error).__name__


def advice(causes: list[str]) -> str:
    """Return what to do next when every engine that was tried failed for these causes."""
    if os.environ.get("DOCKER_HOST"):
        return "start the engine that DOCKER_HOST names, or unset DOCKER_HOST"
    if any("permission denied" in cause for cause in causes):
        return "sudo usermod -aG docker $USER, log in again, then fab setup.run"
    if os.geteuid() == 0 and Path("/etc/debian_version").exists():
        return "fab setup.run, which installs and starts one"
    if shutil.which("dockerd"):
        return "start it (sudo systemctl start docker), then fab setup.run"
    return INSTALL


def _install(tell: Tell) -> None:
    if not (Path("/etc/debian_version").exists() and shutil.which("apt-get")):
        raise NoEngine(
            "There is no Docker engine, and only on Debian or Ubuntu can it be installed here.",
            next_step="install Docker Engine as your system's manual says, then fab setup.run",
        )
    commands.install(_PACKAGES, tell)


def _start(state: Path, tell: Tell) -> None:
    if Path("/run/systemd/system").is_dir():
        # systemd starts it at each boot too, so it is not ours to stop.
        command = ["systemctl", "start", "docker"]
        commands.run(command, "systemctl start docker", tell, timeout=_START_SECONDS)
        _wait("systemd", None, state / "logs")
        return
    log = state / "logs" / "dockerd.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    # Popen complains about a child that is still running when it is forgotten.
    process.returncode = 0
    started = Started(process.pid, start_ticks(process.pid) or 0)
    write_json(state / "engine.json", {"pid": started.pid, "start_ticks": started.ticks})
    _wait("dockerd", started, log)


def _wait(whom: str, started: Started | None, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if answers():
            return
        if started and not is_alive(started):
            lines = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise NoEngine(
                "dockerd ended as soon as it was started.",
                cause=" | ".join(line[-300:] for line in lines),
                next_step=f"read {log}, mend what it says, then fab setup.run",
            )
        time.sleep(0.2)
    raise DeadlineError(
        waited_for="its API to answer",
        whom=whom,
        seconds=_START_SECONDS,
        last_state="no answer",
        next_step=f"read {log}, then fab setup.run",
    )


def _terminate(started: Started) -> None:
    os.kill(started.pid, signal.SIGTERM)
    end = time.monotonic() + _STOP_SECONDS
    while is_alive(started):
        if time.monotonic() > end:
            raise DeadlineError(
                waited_for="it to end",
                whom=f"dockerd (pid {started.pid})",
                seconds=_STOP_SECONDS,
                last_state="still running after SIGTERM",
            )
        time.sleep(0.1)
