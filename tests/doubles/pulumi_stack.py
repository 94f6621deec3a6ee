"""One stack of a Pulumi project, driven as `pulumi preview|up|refresh|destroy` drive it."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
import yaml
from pulumi.runtime.proto import engine_pb2_grpc, resource_pb2_grpc

from contracts.files import write_json
from tests.doubles import program_host
from tests.doubles.provider_plugins import DYNAMIC, ProviderPlugins
from tests.doubles.resource_monitor import Checkpoint, Outcome, ResourceMonitor, Steps

PROGRAM_SECONDS = 600


class PulumiStack:
    """A stack whose state is one JSON file.

    `settings` override the stack's configuration, without the project's name before the
    colon. `providers` are the commands of plugins by package, beside dynamic providers.
    """

    def __init__(
        self,
        project: Path,
        name: str,
        state_file: Path,
        *,
        settings: Mapping[str, object] | None = None,
        providers: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.project = project
        self.name = name
        self.settings = dict(settings or {})
        self._state_file = state_file
        self._environment = dict(os.environ)
        self._commands = {**DYNAMIC, **(providers or {})}
        self._description = yaml.safe_load((project / "Pulumi.yaml").read_text())

    def use(self, environment: Mapping[str, str]) -> None:
        """Set environment variables for what is run from now on."""
        self._environment.update(environment)

    def preview(self) -> Outcome:
        """Say what `up` would do."""
        return self._run_program(dry_run=True)

    def up(self) -> Outcome:
        """Run the program and bring every resource to what it declares, without a preview."""
        return self._run_program(dry_run=False)

    def refresh(self) -> Outcome:
        """Read every resource again."""
        with self._steps(dry_run=False) as steps:
            for record in list(steps.checkpoint.resources.values()):
                _attempt(steps.refresh, record, steps.outcome)
        return steps.outcome

    def destroy(self) -> Outcome:
        """Delete every resource, the youngest first."""
        with self._steps(dry_run=False) as steps:
            for record in reversed(list(steps.checkpoint.resources.values())):
                _attempt(steps.delete, record, steps.outcome)
        return steps.outcome

    def checkpoint(self) -> Checkpoint:
        """Return what the state file holds."""
        if not self._state_file.exists():
            return Checkpoint()
        return Checkpoint(**json.loads(self._state_file.read_text()))

    def configuration(self) -> dict[str, str]:
        """Return defaults, the stack's file and the overrides together, as the program gets it.

        Raises
        ------
        ValueError
            If a value has another type than the project declares, as the engine complains.
        """
        project = self._description["name"]
        declared = self._description.get("config", {})
        values = {key: one["default"] for key, one in declared.items() if "default" in one}
        path = self.project / f"Pulumi.{self.name}.yaml"
        if path.exists():
            stack = (yaml.safe_load(path.read_text()) or {}).get("config", {})
            values.update({key.split(":", 1)[1]: value for key, value in stack.items()})
        values.update(self.settings)
        for key, value in values.items():
            if declared.get(key, {}).get("type") == "integer":
                int(str(value))
        return {f"{project}:{key}": str(value) for key, value in values.items()}

    def _run_program(self, *, dry_run: bool) -> Outcome:
        with self._steps(dry_run=dry_run) as steps:
            monitor = ResourceMonitor(steps, f"{self.name}::{self._description['name']}")
            with _served(monitor) as address:
                done = subprocess.run(
                    [sys.executable, program_host.__file__, self._arguments(address, dry_run)],
                    cwd=self.project,
                    env={
                        **self._environment,
                        "PULUMI_CONFIG": json.dumps(self.configuration()),
                    },
                    capture_output=True,
                    text=True,
                    timeout=PROGRAM_SECONDS,
                )
            steps.outcome.succeeded = done.returncode == 0
            if done.returncode:
                steps.outcome.diagnostics.append(done.stderr)
            else:
                self._remove_surplus(steps, monitor.registered)
        return steps.outcome

    def _remove_surplus(self, steps: Steps, registered: Sequence[str]) -> None:
        for urn, record in reversed(list(steps.checkpoint.resources.items())):
            if urn not in registered:
                _attempt(steps.delete, record, steps.outcome)

    def _arguments(self, address: str, dry_run: bool) -> str:
        return json.dumps(
            {
                "monitor": address,
                "project": self._description["name"],
                "stack": self.name,
                "folder": str(self.project),
                "dry_run": dry_run,
            }
        )

    @contextmanager
    def _steps(self, *, dry_run: bool) -> Iterator[Steps]:
        checkpoint = self.checkpoint()

        def save() -> None:
            write_json(self._state_file, dataclasses.asdict(checkpoint))

        plugins = ProviderPlugins(self._commands, self.project, self._environment)
        with plugins:
            yield Steps(checkpoint, plugins, Outcome(), save, dry_run=dry_run)


@contextmanager
def _served(monitor: ResourceMonitor) -> Iterator[str]:
    with futures.ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
        engine_pb2_grpc.add_EngineServicer_to_server(monitor, server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield address
        finally:
            server.stop(None).wait()


def _attempt(step, record: dict[str, object], outcome: Outcome) -> None:
    try:
        step(record)
    except grpc.RpcError as error:
        outcome.succeeded = False
        outcome.diagnostics.append(error.details())
