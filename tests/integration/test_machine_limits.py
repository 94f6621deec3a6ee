"""Machines that end themselves: nobody is connected, the limits are short and real.

A container's first process stands in for the machine: when it ends, the cloud says terminated.
"""

import contextlib
import io
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from contracts import limits
from infra import docker_engine, node_image
from infra.local_nodes import LOCK
from tests.inside import run_inside

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("engine")]
ROOT = Path(__file__).resolve().parents[2]
LABEL = "tandem.test-limits"
# What a busy computer may add to a limit.
SLACK_SECONDS = 60.0
DRIVER = """
import os, sys, time
sys.path.insert(0, "/opt/tandem/watchdog.pyz")
from provision.node import records
home = "/home/tandem/.tandem"
record = records.begin(home, "run-forest", "spec")
records.add(record, "driver", os.getpid())
record["state"] = "ready"
records.save(home, record)
time.sleep(float(sys.argv[1]))
"""


class Machine:
    """A container that runs a boot script at each of its starts, as a cloud's machine does."""

    def __init__(self, container: docker.models.containers.Container) -> None:
        self.container = container

    def boot(self) -> float:
        """Run the boot script as root; return when."""
        done = run_inside(self.container, "sh", "/boot.sh", user="root")
        assert done.exit_code == 0, done.output
        return time.monotonic()

    def run(self, *command: str) -> str:
        """Run a program as root and return its output."""
        return run_inside(self.container, *command, user="root").output

    def start(self, *command: str) -> None:
        """Start a program as root and leave it."""
        run_inside(self.container, *command, user="root", detach=True)

    def lives(self) -> bool:
        """Say whether the machine is there."""
        self.container.reload()
        return bool(self.container.status == "running")

    def await_end(self, seconds: float) -> float:
        """Wait until the machine has ended; return when."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if not self.lives():
                return time.monotonic()
            time.sleep(0.25)
        raise AssertionError(
            f"the machine lived on after {seconds:.0f} s: {self.run('ps', 'ax')}"
        )


@contextlib.contextmanager
def machine(wanted: limits.Limits) -> Iterator[Machine]:
    """Make a machine with these limits in its user data, and remove it at the end."""
    script = limits.boot_script(limits.pack(ROOT), wanted).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in (("boot.sh", script), ("driver.py", DRIVER.encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with docker_engine.connect() as client:
        container = client.containers.create(
            node_image.wanted_tag(LOCK),
            ["python3", "-c", "import signal, time\n"
             "signal.signal(signal.SIGTERM, lambda *_: exit(0))\nwhile True: time.sleep(1)"],
            labels={LABEL: str(os.getpid())},
            nano_cpus=int(0.5e9),
            mem_limit="256m",
            network_mode="none",
        )  # fmt: skip
        try:
            container.put_archive("/", packed.getvalue())
            container.start()
            yield Machine(container)
        finally:
            container.remove(force=True, v=True)


def test_a_machine_ends_when_its_time_is_up_though_nobody_ever_came():
    with machine(limits.Limits(ttl_seconds=6)) as one:
        begin = one.boot()
        assert one.run("stat", "-c", "%a %U", "/etc/tandem/limits.json").strip() == "600 root"
        assert one.await_end(6 + SLACK_SECONDS) - begin >= 5


def test_a_machine_ends_when_nobody_uses_it_and_not_while_a_driver_runs():
    with machine(limits.Limits(idle_seconds=4)) as one:
        one.boot()
        one.start("python3", "/driver.py", "15")
        time.sleep(12)
        assert one.lives(), "it ended under a driver"
        one.await_end(15 + SLACK_SECONDS)


def test_time_goes_on_counting_across_a_restart_and_the_watchdog_comes_back():
    with machine(limits.Limits(ttl_seconds=20)) as one:
        begin = one.boot()
        time.sleep(8)
        one.container.restart(timeout=2)
        assert one.lives()
        one.boot()
        assert "runs already" in one.run("sh", "/boot.sh")
        lasted = one.await_end(20 + SLACK_SECONDS) - begin
        assert lasted < 8 + 20, "the restart gave it more time"


def test_limits_that_the_operator_set_later_win_over_those_of_the_boot():
    with machine(limits.Limits(ttl_seconds=8)) as one:
        one.boot()
        later = '{"expires_at": null, "ttl_seconds": 3600, "idle_seconds": null}'
        program = limits.WATCHDOG
        one.run("sh", "-c", f"echo '{later}' | python3 -I -S {program} set")
        one.boot()
        time.sleep(12)
        assert one.lives()
        assert '"seconds_left": 3' in one.run("cat", "/run/tandem-watchdog.json")


def test_a_watchdog_that_is_killed_comes_back_with_the_next_bring_up():
    with machine(limits.Limits(ttl_seconds=3600)) as one:
        one.boot()
        pid = one.run("cat", "/run/tandem-watchdog.lock").split()[0]
        one.run("kill", "-9", pid)
        assert one.run("sh", "/boot.sh").strip() == "started"
        assert one.run("cat", "/run/tandem-watchdog.lock").split()[0] != pid
