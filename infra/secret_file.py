"""A file on the operator's computer with a secret that provision brings to the machines."""

from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from contracts.files import write_atomically


class SecretFileProvider(ResourceProvider):
    """Keeps a file as the stack says; only its owner can read it."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Write the file."""
        return CreateResult(props["path"], _write(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Say whether the file is what it should be."""
        path = Path(_news["path"])
        try:
            same = path.read_text() == _news["content"] and path.stat().st_mode & 0o077 == 0
        except (OSError, UnicodeDecodeError):
            same = False
        moved = _olds.get("path") != _news["path"]
        return DiffResult(changes=moved or not same, replaces=["path"] if moved else [])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write the file anew."""
        return UpdateResult(_write(_news))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the file."""
        Path(_id).unlink(missing_ok=True)


class SecretFile(Resource, name="SecretFile"):
    """One file; its content is a secret of the stack."""

    def __init__(
        self, name: str, path: Path, content: pulumi.Input[str], opts: pulumi.ResourceOptions
    ) -> None:
        inputs = {"path": str(path), "content": pulumi.Output.secret(content)}
        super().__init__(SecretFileProvider(), name, inputs, opts)


def _write(props: dict[str, Any]) -> dict[str, Any]:
    path = Path(props["path"])
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(path, props["content"].encode(), mode=0o600)
    return props
