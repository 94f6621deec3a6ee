"""Secrets of a stack are kept under a passphrase that is one."""

from collections.abc import Mapping
from pathlib import Path

from contracts.errors import UsageError


def check_passphrase(environment: Mapping[str, str], stack_file: Path) -> None:
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
