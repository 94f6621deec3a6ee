"""One stack of a Pulumi project, driven as `pulumi preview|up|refresh|destroy` drive it."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import yaml
from pulumi.runtime.proto import engine_pb2_grpc, resource_pb2_grpc

from contracts.files import write_json
from tests.doubles import program_host
from tests.doubles.provider_plugins import DYNAMIC, PROVIDER_TYPE, ProviderPlugins
from tests.doubles.resource_monitor import ResourceMonitor
from tests.doubles.stack_steps import Checkpoint, Outcome, Steps

PROGRAM_SECONDS = 600
# What the program itself says to a second one; a test of either driver looks for it.
LOCKED = "the stack is currently locked by 1 lock(s)"


class PulumiStack:
    """A stack whose state is one JSON file, with a lock beside it that outlives a kill.

    `settings` override the stack's configuration: a name without a colon is of the project.
    `providers` are the commands of plugins by package, beside dynamic providers. `begin` is
    what begins a process, except for what `start` starts.
    """

    def __init__(
        self,
        project: Path,
        name: str,
        state_file: Path,
        *,
        settings: Mapping[str, object] | None = None,
        providers: Mapping[str, Sequence[str]] | None = None,
        begin: Callable[..., Any] = subprocess.Popen,
    ) -> None:
        self.project = project
        self.name = name
        self.settings = dict(settings or {})
        self._state_file = state_file
        self._lock_file = state_file.with_suffix(".lock")
        self._environment = dict(os.environ)
        self._commands = {**DYNAMIC, **(providers or {})}
        self._begin = begin
        self._description = yaml.safe_load((project / "Pulumi.yaml").read_text())

    def use(self, environment: Mapping[str, str]) -> None:
        """Set environment variables for what is run from now on."""
        self._environment.update(environment)

    def preview(self) -> Outcome:
        """Say what `up` would do."""
        return self._run_program(dry_run=True)

    def up(self) -> Outcome:
        """Run the program and bring every resource to what it declares, without a preview."""
        return self._locked(lambda: self._run_program(dry_run=False))

    def refresh(self) -> Outcome:
        """Read every resource again."""
        return self._locked(self._refresh)

    def destroy(self) -> Outcome:
        """Delete every resource, the youngest first."""
        return self._locked(self._destroy)

    def cancel(self) -> None:
        """Take away the lock that a killed operation left."""
        self._lock_file.unlink(missing_ok=True)

    def start(self, operation: str) -> subprocess.Popen[bytes]:
        """Start an operation in a process group of its own, to be killed."""
        arguments = {
            "project": str(self.project),
            "name": self.name,
            "state_file": str(self._state_file),
            "settings": self.settings,
            "providers": {name: list(words) for name, words in self._commands.items()},
            "operation": operation,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "tests.doubles.pulumi_stack", json.dumps(arguments)],
            cwd=Path(__file__).parents[2],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _refresh(self) -> Outcome:
        with self._steps(dry_run=False) as steps:
            for record in list(steps.checkpoint.resources.values()):
                if not record["type"].startswith(PROVIDER_TYPE):
                    _attempt(steps.refresh, record, steps.outcome)
        return steps.outcome

    def _destroy(self) -> Outcome:
        with self._steps(dry_run=False) as steps:
            self._remove(steps, list(steps.checkpoint.resources.values()))
        return steps.outcome

    def checkpoint(self) -> Checkpoint:
        """Return what the state file holds."""
        if not self._state_file.exists():
            return Checkpoint()
        saved = json.loads(self._state_file.read_text())
        saved["resources"] = {record["urn"]: record for record in saved["resources"]}
        return Checkpoint(**saved)

    def _save(self, checkpoint: Checkpoint) -> None:
        # A list, because the order counts: what is younger goes first.
        resources = list(checkpoint.resources.values())
        document = {**dataclasses.asdict(checkpoint), "resources": resources}
        write_json(self._state_file, document)

    def configuration(self) -> dict[str, str]:
        """Return defaults, the stack's file and the overrides together, as the program gets it.

        Raises
        ------
        ValueError
            If a value has another type than the project declares, as the engine complains.
        """
        project = self._description["name"]
        declared = _full_names(self._description.get("config", {}), project)
        values = {
            key: one["default"]
            for key, one in declared.items()
            if isinstance(one, dict) and "default" in one
        }
        path = self.project / f"Pulumi.{self.name}.yaml"
        if path.exists():
            values.update((yaml.safe_load(path.read_text()) or {}).get("config") or {})
        values.update(_full_names(self.settings, project))
        for key, value in values.items():
            if declared.get(key, {}).get("type") == "integer":
                int(str(value))
        return {key: _as_text(value) for key, value in values.items()}

    def _run_program(self, *, dry_run: bool) -> Outcome:
        with self._steps(dry_run=dry_run) as steps:
            monitor = ResourceMonitor(steps, f"{self.name}::{self._description['name']}")
            with _served(monitor) as address:
                arguments = self._arguments(address, dry_run)
                words = self._run([sys.executable, program_host.__file__, arguments])
            steps.outcome.succeeded = words is None
            if words is not None:
                steps.outcome.diagnostics.append(words)
            else:
                surplus = [
                    record
                    for urn, record in steps.checkpoint.resources.items()
                    if urn not in monitor.registered
                ]
                self._remove(steps, surplus)
        return steps.outcome

    def _run(self, command: Sequence[str]) -> str | None:
        """Run the program; return what it said if it failed."""
        configuration = json.dumps(self.configuration())
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            with self._begin(
                command,
                cwd=self.project,
                env={**self._environment, "PULUMI_CONFIG": configuration},
                stdout=said.fileno(),
                stderr=said.fileno(),
            ) as process:
                try:
                    failed = process.wait(PROGRAM_SECONDS)
                finally:
                    process.kill()
            said.seek(0)
            return said.read() if failed else None

    def _remove(self, steps: Steps, records: Sequence[dict[str, object]]) -> None:
        providers = [one for one in records if str(one["type"]).startswith(PROVIDER_TYPE)]
        real = [one for one in records if one not in providers]
        for record in reversed([*real, *steps.checkpoint.replaced]):
            _attempt(steps.delete, record, steps.outcome)
        if steps.outcome.succeeded and not steps.dry_run:
            for record in providers:
                del steps.checkpoint.resources[record["urn"]]
            self._save(steps.checkpoint)

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

    def _locked(self, operation) -> Outcome:
        try:
            self._lock_file.touch(exist_ok=False)
        except FileExistsError:
            return Outcome(succeeded=False, diagnostics=[f"error: {LOCKED}; pulumi cancel"])
        try:
            return operation()
        finally:
            self.cancel()

    @contextmanager
    def _steps(self, *, dry_run: bool) -> Iterator[Steps]:
        checkpoint = self.checkpoint()
        configuration = self.configuration()
        plugins = ProviderPlugins(
            self._commands, self.project, self._environment, configuration, self._begin
        )
        with plugins:
            yield Steps(
                checkpoint,
                plugins,
                Outcome(),
                lambda: self._save(checkpoint),
                dry_run=dry_run,
            )


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


def _full_names(values: Mapping[str, object], project: str) -> dict[str, object]:
    return {key if ":" in key else f"{project}:{key}": one for key, one in values.items()}


def _as_text(value: object) -> str:
    """Return a value as programs and plugins get it: what is nested comes as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def main() -> int:
    """Run one operation as the first argument, a JSON object, describes it."""
    given = json.loads(sys.argv[1])
    operation = given.pop("operation")
    given["project"], given["state_file"] = Path(given["project"]), Path(given["state_file"])
    return 0 if getattr(PulumiStack(**given), operation)().succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
