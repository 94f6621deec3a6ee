"""The test bed's cloud: keystone, glance, placement, nova, neutron and Swift on loopback.

    python -m tests.doubles.openstack.bed start    make what is missing, start what does not run
    python -m tests.doubles.openstack.bed stop     end what was started
    python -m tests.doubles.openstack.bed wipe     and forget all that the services know

It is the real services, from the lock beside this file, with drivers of ours where hardware
would be. `start` prints the variables by which an ordinary member logs in. Servers made of the
images "Tandem ..." are containers, where there is a Docker engine; all others are records.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

from infra import docker_engine
from tests.doubles.openstack import configuration, content, databases, environment, processes
from tests.doubles.openstack.places import HERE, HOST, Bed, usual

# Services without an order among themselves; threads are for requests at once.
_WEB = (
    ("keystone", "keystone.wsgi.api", "identity"),
    ("placement", "placement.wsgi.api", "placement"),
    ("glance", "glance.wsgi.api", "image"),
    ("neutron", "neutron.wsgi.api", "network"),
)
_MAKERS = ("configuration.py", "content.py", "databases.py", "places.py", "services.lock")
ROOT = HERE.parents[2]
_THREADS, _NOVA_THREADS = 8, 16


def start(bed: Bed) -> Path:
    """Make what is missing, start what does not run; return the path of clouds.yaml."""
    bed.root.mkdir(parents=True, exist_ok=True)
    with open(bed.root / "lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        environment.make(bed)
        filled = bed.run / "filled"
        if not filled.exists() or filled.read_text() != _version(bed):
            # Half made, or made by other versions of these files.
            wipe(bed)
        configuration.write(bed)
        databases.start_server(bed)
        if not filled.exists():
            databases.fill(bed)
        _start_services(bed, first=not filled.exists())
        filled.write_text(_version(bed))
    return bed.root / "clouds.yaml"


def stop(bed: Bed) -> None:
    """End what was started."""
    if bed.run.exists():
        processes.stop(bed)


def wipe(bed: Bed) -> None:
    """End what was started and forget what the services know; their environment stays."""
    stop(bed)
    shutil.rmtree(bed.run, ignore_errors=True)


def _version(bed: Bed) -> str:
    """Return what all that the services know of themselves was made by."""
    texts = [(HERE / name).read_bytes() for name in _MAKERS]
    return hashlib.sha256(b"".join([str(bed.first_port).encode(), *texts])).hexdigest()


def _start_services(bed: Bed, *, first: bool) -> None:
    machines = docker_engine.answers()
    if machines:
        module = "tests.doubles.openstack.hypervisor"
        words = [sys.executable, "-m", module, str(bed.root), str(bed.first_port)]
        processes.start(bed, "machines", words, ROOT)
    for name, module, service in _WEB:
        _serve(bed, name, module, service, _THREADS)
    for name, _, service in _WEB:
        processes.await_port(bed, name, service)
    if first:
        content.accounts(bed)
    _serve(bed, "nova", "bed_nova", "compute", _NOVA_THREADS)
    _start_swift(bed)
    processes.await_port(bed, "nova", "compute")
    content.await_nova(bed)
    if first:
        databases.discover(bed)
        content.things(bed)
    if machines:
        processes.await_socket(bed, "machines", bed.socket)


def _serve(bed: Bed, name: str, module: str, service: str, threads: int) -> None:
    program = str(HERE / "services" / "serve.py")
    where = [module, HOST, str(bed.port(service)), str(threads)]
    processes.start(bed, name, [str(bed.python), program, *where])


def _start_swift(bed: Bed) -> None:
    folder = bed.etc / "swift"
    for part in configuration.SWIFT_PARTS:
        if not (folder / f"{part}.ring.gz").exists():
            build = [str(bed.environment / "bin/swift-ring-builder"), f"{part}.builder"]
            place = f"r1z1-{HOST}:{bed.port(part)}/d1"
            for words in (["create", "4", "1", "0"], ["add", place, "1"], ["rebalance"]):
                subprocess.run([*build, *words], cwd=folder, check=True, capture_output=True)
        _start_part(bed, part, part)
    _start_part(bed, "proxy", "object-store")


def _start_part(bed: Bed, part: str, service: str) -> None:
    program = str(bed.environment / "bin" / f"swift-{part}-server")
    processes.start(bed, f"swift-{part}", [program, str(bed.etc / "swift" / f"{part}.conf")])
    processes.await_port(bed, f"swift-{part}", service)


def main(arguments: list[str]) -> int:
    """Do what the one argument says."""
    begin, bed = time.monotonic(), usual()
    if arguments == ["start"]:
        print(f"export OS_CLIENT_CONFIG_FILE={start(bed)} OS_CLOUD=member")
    elif arguments == ["stop"]:
        stop(bed)
    elif arguments == ["wipe"]:
        wipe(bed)
    else:
        print(__doc__)
        return 2
    print(f"# {time.monotonic() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
