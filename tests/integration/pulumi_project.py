"""The real `pulumi` program on a copy of the project, with the interface of the double."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tests.command_line import ROOT
from tests.doubles.resource_monitor import STACK_TYPE
from tests.doubles.stack_steps import Outcome

_PARTS = ("__main__.py", "Pulumi.yaml", "requirements.lock")
# Machines of a cloud are given a program of `provision` at their first boot.
_PACKAGES = ("contracts", "infra", "provision", "policy")
_SECONDS = 600


class PulumiProject:
    """One stack driven by the program itself; the state lies in the copy."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        settings: Mapping[str, object],
        passphrase: str = "",
    ) -> None:
        self.project = folder
        self.name = name
        self.settings = dict(settings)
        self._environment = {
            **os.environ,
            "PULUMI_CONFIG_PASSPHRASE": passphrase,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_HOME": str(folder / "pulumi-home"),
        }
        for package in _PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, folder / package, ignore=ignored)
        for part in (*_PARTS, f"Pulumi.{name}.yaml"):
            shutil.copy(ROOT / part, folder / part)
        (folder / ".venv").symlink_to(sys.prefix)
        self.run("stack", "select", "--create")

    def cancel(self) -> None:
        """Take away the lock that a killed operation left."""
        self.run("cancel", "--yes", check=False)

    def use(self, environment: Mapping[str, str]) -> None:
        """Set environment variables for what is run from now on."""
        self._environment.update(environment)

    def preview(self) -> Outcome:
        """Say what `up` would do."""
        self._write_settings()
        done = self.run("preview", "--json", check=False)
        if done.returncode:
            return Outcome(succeeded=False, diagnostics=[done.stdout + done.stderr])
        # A preview tells a replacement once.
        words = {"replace": "create"}
        steps = [
            (words.get(one["op"], one["op"]), one["urn"])
            for one in json.loads(done.stdout)["steps"]
        ]
        return Outcome(steps=_of_resources(steps))

    def up(self) -> Outcome:
        """Run the program and bring every resource to what it declares."""
        self._write_settings()
        outcome = self._carry_out("up")
        if outcome.succeeded:
            outcome.outputs = json.loads(self.run("stack", "output", "--json").stdout)
        return outcome

    def refresh(self) -> Outcome:
        """Read every resource again."""
        return self._carry_out("refresh")

    def destroy(self) -> Outcome:
        """Delete every resource."""
        return self._carry_out("destroy")

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of one operation."""
        return ["pulumi", "--non-interactive", *arguments, "--stack", self.name]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the program and return how it ended."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.project,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=check,
        )

    def start(self, operation: str) -> subprocess.Popen[bytes]:
        """Start an operation in a session of its own, to be killed."""
        self._write_settings()
        return subprocess.Popen(
            self.command(operation, "--yes", "--skip-preview"),
            cwd=self.project,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _carry_out(self, operation: str) -> Outcome:
        done = self.run(operation, "--yes", "--skip-preview", "--json", check=False)
        outcome = Outcome(succeeded=done.returncode == 0)
        if done.stderr:
            outcome.diagnostics.append(done.stderr)
        steps = []
        for event in (json.loads(line) for line in done.stdout.splitlines()):
            ended = event.get("resOutputsEvent") or event.get("resOpFailedEvent")
            if ended:
                steps.append((ended["metadata"]["op"], ended["metadata"]["urn"]))
            said = event.get("diagnosticEvent", {})
            if said.get("severity") not in (None, "debug"):
                outcome.diagnostics.append(said["message"])
        outcome.steps = _of_resources(steps)
        return outcome

    def _write_settings(self) -> None:
        path = self.project / f"Pulumi.{self.name}.yaml"
        document: dict[str, Any] = yaml.safe_load(path.read_text())
        changed = {
            key if ":" in key else f"tandem:{key}": value
            for key, value in self.settings.items()
        }
        document["config"] = {**document.get("config", {}), **changed}
        path.write_text(yaml.safe_dump(document))


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started: Pulumi's plugins have groups of their own."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getsid(int(entry.name)) == process.pid:
                os.kill(int(entry.name), signal.SIGKILL)
    process.wait(60)


def _of_resources(steps: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out the stack itself, and shorten URNs and kinds as the double tells them."""
    own = [(kind, urn) for kind, urn in steps if f"::{STACK_TYPE}::" not in urn]
    # A replacement is told thrice; what is made and what is deleted count.
    words = {"create-replacement": "create", "delete-replaced": "delete"}
    return [
        (words.get(kind, kind), urn.rsplit("::", 1)[-1])
        for kind, urn in own
        if kind not in ("replace", "discard-replaced")
    ]
