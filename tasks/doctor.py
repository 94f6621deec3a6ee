"""`fab doctor`: what would keep machines from being made, before any is paid for."""

import getpass
import json
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import DONE, FAILED, TandemError, UsageError
from contracts.files import state_folder
from cost.account import Account, in_our_words
from infra import (
    aws_access,
    aws_checks,
    docker_engine,
    node_image,
    operator_address,
    pulumi_cli,
    stack_file,
)
from infra.aws_settings import AwsSettings, parse_aws
from infra.findings import Finding, guarded
from tasks.verb import Answer, verb

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
PLUGIN_SECONDS = 60.0
_MARKS = {"ok": "✓", "note": "-", "bad": "✗"}


@verb(
    help={
        "provider": "aws or local; by default what the stack says",
        "stack": "the Pulumi stack whose configuration is meant",
    }
)
def doctor(context: Context, provider: str = "", stack: str = "") -> Answer:
    """Look at all that machines need, before money is spent; each finding with its fix.

    For AWS: credentials, region, types, quota, image, key, this computer's address, Pulumi and
    its plugin. For local machines: the Docker engine, the node image, Pulumi. Nothing is
    changed. Ends with 1 if anything would keep machines from being made.
    """
    name = stack or ("aws" if provider in ("", "aws") else provider)
    known = stack_file.read(name)
    kind = provider or known.get("tandem:provider", "local")
    if kind not in ("aws", "local"):
        raise UsageError(
            f"There is no provider {kind!r}.", next_step="--provider aws or --provider local"
        )
    found = _aws(name, known) if kind == "aws" else _local()
    lines = [
        f"{_MARKS[one.state]} {one.what:<22} {one.words}"
        + (f"\n    Fix: {one.fix}" if one.state != "ok" and one.fix else "")
        for one in found
    ]
    bad = sum(one.state == "bad" for one in found)
    last = f"{bad} of {len(found)} would keep it from working." if bad else "All is well."
    document = {
        "provider": kind,
        "well": not bad,
        "findings": [one.document() for one in found],
    }
    return Answer(document, "\n".join([*lines, last]), FAILED if bad else DONE)


def _local() -> list[Finding]:
    return [
        *guarded("Docker engine", _engine),
        *guarded("node image", _node_image),
        *guarded("pulumi", partial(_pulumi, cloud=False)),
    ]


def _aws(stack: str, known: dict[str, str]) -> list[Finding]:
    settings, found = _settings(stack, known)
    found += guarded("pulumi", partial(_pulumi, cloud=True))
    if settings is None:
        return found
    found += guarded("key", partial(_key, settings))
    found += guarded("address", partial(_address, settings))
    account = Account(settings.region)
    identity = guarded("credentials", partial(_identity, account))
    found += identity
    if any(one.state == "bad" for one in identity):
        return found
    for what in (aws_checks.region, aws_checks.offers, aws_checks.quotas, aws_checks.image):
        found += guarded(what.__name__, partial(_asked, what, account, settings))
    return found


def _settings(stack: str, known: dict[str, str]) -> tuple[AwsSettings | None, list[Finding]]:
    """Return the stack's settings, and what is wrong with them if they cannot be used."""
    prefix = "tandem:"
    given = {key.removeprefix(prefix): value for key, value in known.items() if prefix in key}
    region = known.get("aws:region") or os.environ.get("AWS_REGION")
    try:
        settings = parse_aws(
            {"name": "local", **given},
            region=region,
            profile=known.get("aws:profile"),
            state=state_folder(),
            user=getpass.getuser(),
        )
    except TandemError as error:
        return None, [Finding("configuration", "bad", error.problem, error.next_step or "")]
    words = f"{stack}: {len(settings.machines)} machines in {settings.region}"
    return settings, [Finding("configuration", "ok", words)]


def _asked(check: Any, account: Account, settings: AwsSettings) -> list[Finding]:
    with in_our_words(f"look at the {check.__name__}"):
        return list(check(account.client, settings))


def _identity(account: Account) -> Iterator[Finding]:
    who = account.identity()
    yield Finding("credentials", "ok", f"{who['arn']} in account {who['account']}")


def _key(settings: AwsSettings) -> Iterator[Finding]:
    path = settings.state / "machines" / settings.cluster_id / "id_ed25519"
    if not path.exists():
        yield Finding("key", "ok", f"{path} is made by the first pulumi up")
    elif path.stat().st_mode & 0o077:
        yield Finding("key", "bad", f"{path} can be read by others", f"chmod 600 {path}")
    else:
        yield Finding("key", "ok", str(path))


def _address(settings: AwsSettings) -> Iterator[Finding]:
    own = aws_access.as_block(operator_address.find(settings.address_url))
    inventory = settings.state / "inventory.json"
    if inventory.exists():
        machines = inventories.load(inventory)
        group = machines.security_group_id
        if group and machines.cluster_id == settings.cluster_id:
            with in_our_words("read who may reach SSH"):
                client = Account(machines.region).client("ec2")
                lets_in = aws_access.blocks(client, group)
            yield _covered(own, lets_in, f"group {group}", "fab cluster.allow")
            return
    wanted = settings.operator_cidrs or (own,)
    yield _covered(own, wanted, "operator-cidrs", "pulumi config rm operator-cidrs")


def _covered(own: str, blocks: tuple[str, ...], where: str, fix: str) -> Finding:
    if aws_access.covers(blocks, own):
        return Finding("address", "ok", f"{own} may reach SSH ({where})")
    words = f"this computer is {own}, and {where} lets in {', '.join(blocks) or 'nobody'}"
    return Finding("address", "bad", words, fix)


def _pulumi(cloud: bool) -> Iterator[Finding]:
    found = pulumi_cli.find(state_folder())
    if found is None:
        words, fix = pulumi_cli.WITHOUT, "fab setup.run"
        yield Finding("pulumi", "bad" if cloud else "note", words, fix)
        return
    yield Finding("pulumi", "ok", f"{found.version}, {found.origin}")
    if not cloud:
        return
    if os.environ.get("PULUMI_CONFIG_PASSPHRASE", "") == "" and not os.environ.get(
        "PULUMI_CONFIG_PASSPHRASE_FILE"
    ):
        yield Finding(
            "passphrase",
            "bad",
            "PULUMI_CONFIG_PASSPHRASE is empty, and the stack's state would hold keys",
            "export PULUMI_CONFIG_PASSPHRASE with a passphrase of yours",
        )
    wanted = metadata.version("pulumi-aws")
    versions = _plugins(found.path)
    if wanted in versions:
        yield Finding("plugin aws", "ok", wanted)
    else:
        there = f"there is {', '.join(versions)}" if versions else "there is none"
        yield Finding(
            "plugin aws",
            "note",
            f"{wanted} is wanted, {there}; pulumi up fetches it",
            f"pulumi plugin install resource aws v{wanted}",
        )


def _plugins(program: Path) -> list[str]:
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
            str(one["version"]) for one in plugins if one["name"] == "aws" and one["version"]
        ]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return []


def _engine() -> Iterator[Finding]:
    with docker_engine.connect(timeout=10.0) as client:
        yield Finding("Docker engine", "ok", str(client.version().get("Version", "")))


def _node_image() -> Iterator[Finding]:
    tag = node_image.wanted_tag(LOCK)
    with docker_engine.connect(timeout=10.0) as client:
        there = bool(client.images.list(name=tag))
    if there:
        yield Finding("node image", "ok", tag)
    else:
        yield Finding("node image", "note", f"{tag} is made by the first run", "fab setup.run")
