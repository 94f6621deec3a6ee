"""The stack on AWS: the configuration is checked whole before anything is asked of AWS."""

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import config as given_config

from contracts.errors import UsageError
from infra import operator_address
from infra.aws_cluster import AwsCluster
from infra.aws_settings import AwsSettings, parse_aws


def declare_aws(
    config: pulumi.Config, state: Path, stack_file: Path | None = None
) -> Mapping[str, pulumi.Input[Any]]:
    """Declare the cluster that the configuration asks for; return the stack's outputs.

    Raises
    ------
    UsageError
        If the configuration is wrong, or the stack's secrets have no passphrase.
    TandemError
        If the operator's address is asked for and cannot be found.
    """
    settings = read_settings(config, state)
    _check_passphrase(os.environ, stack_file or Path(f"Pulumi.{pulumi.get_stack()}.yaml"))
    cidrs = settings.operator_cidrs or (f"{operator_address.find(settings.address_url)}/32",)
    cluster = AwsCluster("cluster", settings, cidrs)
    return {
        "inventory": cluster.inventory,
        "inventory_path": str(state / "inventory.json"),
        "bucket": cluster.bucket,
        "security_group_id": cluster.security_group_id,
    }


def read_settings(config: pulumi.Config, state: Path) -> AwsSettings:
    """Return the settings of the selected stack, its misspelt names found too."""
    prefix = f"{config.name}:"
    names = [
        key.removeprefix(prefix) for key in given_config.CONFIG.get() if key.startswith(prefix)
    ]
    provider = pulumi.Config("aws")
    return parse_aws(
        {name: config.get(name) for name in names},
        region=provider.get("region") or os.environ.get("AWS_REGION"),
        profile=provider.get("profile"),
        state=state,
        user=getpass.getuser(),
    )


def _check_passphrase(environment: Mapping[str, str], stack_file: Path) -> None:
    """Refuse to keep secrets under an empty passphrase, where a passphrase keeps them."""
    if environment.get("PULUMI_CONFIG_PASSPHRASE") != "":
        return
    if environment.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        return
    if stack_file.exists() and "\nsecretsprovider:" in f"\n{stack_file.read_text()}":
        return
    raise UsageError(
        "PULUMI_CONFIG_PASSPHRASE is empty, and this stack's state holds keys of machines.",
        next_step="pulumi stack change-secrets-provider passphrase with a passphrase of yours, "
        "then export PULUMI_CONFIG_PASSPHRASE with it",
    )
