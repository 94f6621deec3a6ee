"""What there is of Pulumi: the program, a passphrase, the plugin of a cloud."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from infra import pulumi_cli
from infra.findings import Finding

PLUGIN_SECONDS = 60.0
# The oldest that the program's own library is used with (pyproject.toml).
OLDEST = (3, 272)


def pulumi(state: Path, *, cloud: str) -> Iterator[Finding]:
    """Yield what there is of Pulumi for a cloud; if that is empty, nothing of it is needed."""
    found = pulumi_cli.find(state)
    if found is None:
        words, fix = pulumi_cli.WITHOUT, "fab setup.run"
        yield Finding("pulumi", "bad" if cloud else "note", words, fix)
        return
    if is_too_old(found.version):
        wanted = ".".join(map(str, OLDEST))
        words = f"{found.version}, {found.origin}, is older than {wanted}"
        fix = f"rm {found.path}, then fab setup.run (or update it as it was installed)"
        yield Finding("pulumi", "bad" if cloud else "note", words, fix)
    else:
        yield Finding("pulumi", "ok", f"{found.version}, {found.origin}")
    if cloud:
        yield from _passphrase()
        yield _plugin(found.path, cloud)


def is_too_old(version: str) -> bool:
    """Say whether a version as `pulumi version` tells it is older than what is needed."""
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) < OLDEST


def _passphrase() -> Iterator[Finding]:
    if os.environ.get("PULUMI_CONFIG_PASSPHRASE", "") == "" and not os.environ.get(
        "PULUMI_CONFIG_PASSPHRASE_FILE"
    ):
        yield Finding(
            "passphrase",
            "bad",
            "PULUMI_CONFIG_PASSPHRASE is empty, and the stack's state would hold keys",
            "export PULUMI_CONFIG_PASSPHRASE with a passphrase of yours",
        )


def _plugin(program: Path, cloud: str) -> Finding:
    wanted = metadata.version(f"pulumi-{cloud}")
    versions = _plugins(program, cloud)
    if wanted in versions:
        return Finding(f"plugin {cloud}", "ok", wanted)
    there = f"there is {', '.join(versions)}" if versions else "there is none"
    return Finding(
        f"plugin {cloud}",
        "note",
        f"{wanted} is wanted, {there}; pulumi up fetches it",
        f"pulumi plugin install resource {cloud} v{wanted}",
    )


def _plugins(program: Path, name: str) -> list[str]:
    try:
        done = subprocess.run(
            [str(program), "plugin", "ls", "--json"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PLUGIN_SECONDS,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
        plugins = json.loads(done.stdout)
        return [
            str(one["version"]) for one in plugins if one["name"] == name and one["version"]
        ]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return []
