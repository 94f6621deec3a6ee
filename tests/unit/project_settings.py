"""The settings that Pulumi.yaml describes."""

from typing import Any

import yaml

from tests.command_line import ROOT


def described_settings() -> dict[str, Any]:
    """Return them by name, without those of providers."""
    found = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    return {name: one for name, one in found.items() if ":" not in name}
