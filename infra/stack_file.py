"""The configuration of a Pulumi stack, read and changed without the program `pulumi`.

A stack's file is YAML that people write, with comments; a change touches one line of it.
"""

import json
import re
from pathlib import Path

import yaml

from contracts.errors import InvalidDocument, UsageError
from contracts.files import write_atomically

_STACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_DEFAULT_NAME = "local"  # what Pulumi.yaml says


def path_of(stack: str, folder: Path | None = None) -> Path:
    """Return where the configuration of a stack lies.

    Raises
    ------
    UsageError
        If no stack can have that name.
    """
    if not _STACK.match(stack):
        raise UsageError(f"No stack can be called {stack!r}.", next_step="--stack aws")
    return (folder or Path.cwd()) / f"Pulumi.{stack}.yaml"


def read(stack: str, folder: Path | None = None) -> dict[str, str]:
    """Return the plain values of a stack's configuration, as texts; none without a file.

    Keys have their namespace, such as `tandem:nodes` and `aws:region`.
    """
    path = path_of(stack, folder)
    if not path.exists():
        return {}
    try:
        found = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("config") or {}
    except (yaml.YAMLError, AttributeError) as error:
        raise InvalidDocument(source=str(path), problems=[f"not YAML: {error}"]) from error
    plain = (str, int, float, bool)
    return {key: _text(value) for key, value in found.items() if isinstance(value, plain)}


def of_cluster(cluster: str, folder: Path | None = None) -> list[str]:
    """Return the stacks on AWS whose cluster has that name."""
    found = []
    for path in sorted((folder or Path.cwd()).glob("Pulumi.*.yaml")):
        stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        known = read(stack, folder)
        name = known.get("tandem:name", _DEFAULT_NAME)
        if known.get("tandem:provider") == "aws" and name == cluster:
            found.append(stack)
    return found


def write(stack: str, key: str, value: str, folder: Path | None = None) -> bool:
    """Set one value; every other line stays. False if it was so already."""
    path = path_of(stack, folder)
    if read(stack, folder).get(key) == value:
        return False
    lines = path.read_text(encoding="utf-8").splitlines()
    line = f"  {key}: {json.dumps(value)}"
    own = re.compile(rf"\s+[\"']?{re.escape(key)}[\"']?\s*:")
    places = [index for index, text in enumerate(lines) if own.match(text)]
    if places:
        lines[places[0]] = line
    else:
        begin = [index for index, text in enumerate(lines) if re.match(r"config\s*:", text)]
        if not begin:
            lines.append("config:")
        lines.insert(begin[0] + 1 if begin else len(lines), line)
    write_atomically(path, "\n".join(lines) + "\n")
    return True


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
