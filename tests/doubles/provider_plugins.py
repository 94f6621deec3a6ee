"""Provider plugins as Pulumi's engine runs them: a process each, spoken to over gRPC."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

# What runs the dynamic providers of a Python program; more packages bring their own command.
DYNAMIC = {"pulumi-python": (sys.executable, "-u", "-m", "pulumi.dynamic")}
PROVIDER_TYPE = "pulumi:providers:"


class ProviderPlugins:
    """Starts the plugin of a package at its first use, and ends all of them on closing.

    `configuration` are the stack's values with their names, such as `aws:region`: a package's
    plugin gets those of its own namespace, unless a program sets up its provider itself.
    `start` is what begins a process.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        folder: Path,
        environment: Mapping[str, str],
        configuration: Mapping[str, str] | None = None,
        start: Callable[..., Any] = subprocess.Popen,
    ) -> None:
        self._commands = commands
        self._folder = folder
        self._environment = environment
        self._configuration = configuration or {}
        self._begin = start
        self._stubs: dict[str, provider_pb2_grpc.ResourceProviderStub] = {}
        self._processes: list[Any] = []
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "ProviderPlugins":
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def process_ids(self) -> tuple[int, ...]:
        """Return the process ids of the plugins that run."""
        return tuple(process.pid for process in self._processes)

    def of_type(
        self, token: str, explicit: Mapping[str, Any] | None = None
    ) -> provider_pb2_grpc.ResourceProviderStub:
        """Return the provider of a resource type such as `pulumi-python:dynamic:Machines`.

        `explicit` is the provider resource that the program named, as the state holds it.
        """
        package = token.split(":", 1)[0]
        key = explicit["urn"] if explicit else package
        if key not in self._stubs:
            arguments = dict(explicit["inputs"]) if explicit else self._of_package(package)
            stub = self._open.enter_context(self._start(self._commands[package]))
            stub.Configure(
                provider_pb2.ConfigureRequest(
                    args=json_format.ParseDict(arguments, struct_pb2.Struct())
                )
            )
            self._stubs[key] = stub
        return self._stubs[key]

    def _of_package(self, package: str) -> dict[str, str]:
        return {
            name.split(":", 1)[1]: value
            for name, value in self._configuration.items()
            if name.startswith(f"{package}:")
        }

    @contextlib.contextmanager
    def _start(
        self, command: Sequence[str]
    ) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
        told, ours = os.pipe()
        try:
            process = self._begin(command, cwd=self._folder, env=self._environment, stdout=ours)
        finally:
            os.close(ours)
        with process, os.fdopen(told) as output:
            self._processes.append(process)
            try:
                # A plugin's first line on standard output is the port it listens on.
                port = output.readline().strip()
                with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                    yield provider_pb2_grpc.ResourceProviderStub(channel)
            finally:
                process.kill()
