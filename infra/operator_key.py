"""The operator's key pair as a resource of Pulumi, so that it lives as long as the machines."""

import shutil
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    Resource,
    ResourceProvider,
)

from contracts.errors import TandemError
from infra.ssh_keys import operator_key


class OperatorKeyProvider(ResourceProvider):
    """Makes the key file at first use; the private half stays in it and goes nowhere else."""

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse what would replace every machine because a file was moved or lost."""
        before, now = _olds.get("path"), news["path"]
        words = ""
        if before is not None and before != now:
            words = (
                f"The machines of this stack know the key {before}, not {now}.\n"
                "Next: set TANDEM_STATE to the state folder they were made with, or take "
                "another stack"
            )
        elif before is not None and not Path(now).exists():
            words = (
                f"{now} is gone, and it is the one key that the machines accept.\n"
                "Next: put it back, or pulumi destroy and then pulumi up for new machines"
            )
        failures = [CheckFailure("path", words)] if words else []
        return CheckResult(news, failures)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the key, or take the one that an interrupted attempt left."""
        try:
            made = operator_key(Path(props["path"]))
        except TandemError as error:
            raise RuntimeError(str(error)) from error
        return CreateResult(props["path"], {**props, "public": made.public})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the folder of the key; no machine is left that knows it."""
        shutil.rmtree(Path(_id).parent, ignore_errors=True)


class OperatorKey(Resource, name="OperatorKey"):
    """The key with which the operator logs in; `public` is its public half."""

    path: pulumi.Output[str]
    public: pulumi.Output[str]

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions) -> None:
        super().__init__(OperatorKeyProvider(), name, {"path": str(path), "public": None}, opts)
