"""The configuration of a Pulumi stack, read and changed without the program `pulumi`.

A stack's file is YAML that people write, with comments; a change touches one line of it.
"""

import json
import re
from pathlib import Path

import yaml

from contracts.errors import InvalidDocument, UsageError
from contracts.files import write_atomically

CLOUDS = ("aws", "openstack")
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


def existing(stack: str, folder: Path | None = None) -> dict[str, str]:
    """Return the same of a stack that somebody named.

    Raises
    ------
    UsageError
        If it has no file: a misspelt name would look like a stack without settings.
    """
    if not path_of(stack, folder).exists():
        raise UsageError(
            f"There is no {path_of(stack, folder)}.",
            next_step="pulumi stack ls names the stacks",
        )
    return read(stack, folder)


def provider(stack: str, folder: Path | None = None) -> str:
    """Return where the machines of a stack are; an empty text if it does not say, or is ""."""
    return read(stack, folder).get("tandem:provider", "") if stack else ""


def of_cluster(
    cluster: str | None, folder: Path | None = None, provider: str | None = None
) -> list[str]:
    """Return the stacks whose cluster has that name, in a cloud; None means any."""
    clouds = CLOUDS if provider is None else (provider,)
    found = []
    for path in sorted((folder or Path.cwd()).glob("Pulumi.*.yaml")):
        stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        known = read(stack, folder)
        name = known.get("tandem:name", _DEFAULT_NAME)
        if known.get("tandem:provider") in clouds and cluster in (None, name):
            found.append(stack)
    return found


def profile(
    cluster: str | None = None, stack: str = "", folder: Path | None = None
) -> str | None:
    """Return the set of credentials (`aws:profile`) by which an account is asked.

    It is that of the stack that is named, else of the stacks of a cluster, else of all stacks
    on AWS. None leaves it to the AWS SDK.

    Raises
    ------
    UsageError
        If they have different ones: a wrong account would look like an empty one. Or if there
        is no such stack.
    """
    found = {one: known.get("aws:profile") for one, known in _of(cluster, stack, folder)}
    if len(set(found.values())) > 1:
        told = ", ".join(f"{one} has {name or 'none'}" for one, name in found.items())
        raise UsageError(
            f"Which account is meant? The stacks here differ in aws:profile: {told}.",
            next_step=f"--stack {next(iter(found))}, or another of them",
        )
    return next(iter(found.values()), None)


def regions(
    cluster: str | None = None, stack: str = "", folder: Path | None = None
) -> list[str]:
    """Return the regions of the stacks that `profile` would read."""
    found = (known.get("aws:region") for _, known in _of(cluster, stack, folder))
    return sorted({one for one in found if one})


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


def _of(
    cluster: str | None, stack: str, folder: Path | None
) -> list[tuple[str, dict[str, str]]]:
    if stack:
        return [(stack, existing(stack, folder))]
    return [(one, read(one, folder)) for one in of_cluster(cluster, folder, "aws")]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
