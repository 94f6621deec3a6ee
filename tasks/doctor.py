"""`fab doctor`: what would keep machines from being made, before any is paid for."""

import getpass
import os
import platform
from collections.abc import Callable, Iterator
from functools import partial
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
    aws_quotas,
    docker_engine,
    node_image,
    operator_address,
    pulumi_checks,
    stack_file,
)
from infra.aws_settings import AwsSettings, parse_aws
from infra.findings import Finding, guarded
from provision import node_uv
from tasks import doctor_operator
from tasks.verb import Answer, verb

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
_ASKED = (
    aws_checks.region,
    aws_checks.offers,
    aws_quotas.quotas,
    aws_checks.image,
    aws_checks.network,
    aws_checks.bucket,
    aws_checks.launch,
)
_MARKS = {"ok": "✓", "note": "-", "bad": "✗"}


@verb(
    help={
        "provider": "aws, openstack or local; by default what the stack says",
        "stack": "the Pulumi stack whose configuration is meant",
    }
)
def doctor(context: Context, provider: str = "", stack: str = "") -> Answer:
    """Look at all that machines need, before money is spent; each finding with its fix.

    For AWS: credentials, region, types, quota, image, key, this computer's address, Pulumi and
    its plugin, and uv for machines of another processor, which is fetched. For OpenStack:
    login, flavors, image and its user, quotas, network, what ends machines, key, address,
    Pulumi and its plugin. For local machines: the Docker engine, the node image, Pulumi.
    Nothing is changed in the account. Ends with 1 if anything would keep machines from being
    made.
    """
    name = stack or {"": "aws", "openstack": "ssc"}.get(provider, provider)
    known = stack_file.existing(stack) if stack else stack_file.read(name)
    kind = provider or known.get("tandem:provider", "local")
    looks: dict[str, Callable[[], list[Finding]]] = {
        "aws": partial(_aws, name, known),
        "openstack": partial(_openstack, name, known),
        "local": _local,
    }
    if kind not in looks:
        raise UsageError(
            f"There is no provider {kind!r}.", next_step=f"--provider {' or '.join(looks)}"
        )
    found = looks[kind]()
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
        *guarded("pulumi", partial(pulumi_checks.pulumi, state_folder(), cloud="")),
    ]


def _openstack(stack: str, known: dict[str, str]) -> list[Finding]:
    # Its SDK takes a second to import, and every other verb does without.
    from tasks import doctor_openstack

    return doctor_openstack.look(stack, known)


def _aws(stack: str, known: dict[str, str]) -> list[Finding]:
    settings, found = _settings(stack, known)
    pulumi = partial(pulumi_checks.pulumi, state_folder(), cloud="aws")
    found += guarded("pulumi", pulumi)
    if settings is None:
        return found
    found += guarded("key", partial(doctor_operator.key, settings.state, settings.cluster_id))
    found += guarded("address", partial(_address, settings))
    found += guarded("uv", partial(_uv, settings))
    accounts: list[Account] = []
    found += guarded("credentials", partial(_identity, settings, accounts))
    for account in accounts:
        for what in _ASKED:
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


def _identity(settings: AwsSettings, accounts: list[Account]) -> Iterator[Finding]:
    """Yield who the credentials say we are, and add their account if they work."""
    account = Account(settings.region, profile=settings.profile)
    who = account.identity()
    accounts.append(account)
    yield Finding("credentials", "ok", f"{who['arn']} in account {who['account']}")


def _uv(settings: AwsSettings) -> Iterator[Finding]:
    """Yield whether machines of another processor than this one's can be brought up."""
    for machine in sorted({one.kind.architecture for one in settings.machines if one.kind}):
        if machine != platform.machine():
            program = node_uv.binary("Linux", machine, settings.state)
            words = f"{program}; without compiled kernels, forests use scikit-learn's trees"
            yield Finding(f"uv for {machine}", "ok", words)


def _address(settings: AwsSettings) -> Iterator[Finding]:
    own = aws_access.as_block(operator_address.find(settings.address_url))
    inventory = settings.state / "inventory.json"
    if inventory.exists():
        machines = inventories.load(inventory)
        group = machines.security_group_id
        if group and machines.cluster_id == settings.cluster_id:
            with in_our_words("read who may reach SSH"):
                account = Account(machines.region, profile=settings.profile)
                client = account.client("ec2")
                lets_in = aws_access.blocks(client, group)
            yield doctor_operator.covered(own, lets_in, f"group {group}", "fab cluster.allow")
            return
    wanted = settings.operator_cidrs or (own,)
    yield doctor_operator.covered(
        own, wanted, "operator-cidrs", "pulumi config rm operator-cidrs"
    )


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
