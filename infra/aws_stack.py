"""The stack on AWS: the configuration is checked whole before anything is asked of AWS."""

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi

from infra import operator_address
from infra.aws_cluster import AwsCluster
from infra.aws_settings import AwsSettings, parse_aws
from infra.given import given
from infra.passphrase import check_passphrase


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
    check_passphrase(os.environ, stack_file or Path(f"Pulumi.{pulumi.get_stack()}.yaml"))
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
    provider = pulumi.Config("aws")
    return parse_aws(
        given(config),
        region=provider.get("region") or os.environ.get("AWS_REGION"),
        profile=provider.get("profile"),
        state=state,
        user=getpass.getuser(),
    )
