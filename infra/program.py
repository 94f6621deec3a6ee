"""The Pulumi program: stack configuration in, machines and an inventory out."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pulumi

from contracts.errors import TandemError, UsageError
from contracts.files import state_folder
from infra.local_provider import LocalMachines
from infra.settings import parse_local


def declare() -> None:
    """Declare the machines of the selected stack, and export their inventory.

    Raises
    ------
    pulumi.RunError
        If the configuration is wrong; Pulumi prints the message, without a traceback.
    """
    config = pulumi.Config()
    state = state_folder()
    try:
        provider = config.get("provider") or "local"
        if provider not in _PROVIDERS:
            raise UsageError(
                f"tandem:provider must be one of {', '.join(_PROVIDERS)}, is {provider!r}.",
                next_step="pulumi config set provider local",
            )
        outputs = _PROVIDERS[provider](config, state)
    except TandemError as error:
        raise pulumi.RunError(str(error)) from error
    for name, value in outputs.items():
        pulumi.export(name, value)


def _local(config: pulumi.Config, state: Path) -> Mapping[str, pulumi.Input[object]]:
    known = ("name", "nodes", "cpus", "memory", "price", "currency")
    # An empty text is how a stack says "none"; Pulumi has no optional values with a type.
    given = {name: value for name in known if (value := config.get(name))}
    settings = parse_local(
        given,
        state=state,
        door="pulumi",
        source="the stack's configuration",
        next_step="pulumi config set nodes 3, and the like for each value named",
    )
    machines = LocalMachines("machines", settings)
    return {
        "inventory": machines.inventory,
        "inventory_path": str(state / "inventory.json"),
    }


def _aws(config: pulumi.Config, state: Path) -> Mapping[str, pulumi.Input[object]]:
    # The provider's package takes seconds to import, and local machines do without.
    from infra.aws_stack import declare_aws

    return declare_aws(config, state)


def _openstack(config: pulumi.Config, state: Path) -> Mapping[str, pulumi.Input[object]]:
    from infra.openstack_stack import declare_openstack

    return declare_openstack(config, state)


_Declaration = Callable[[pulumi.Config, Path], Mapping[str, pulumi.Input[object]]]
_PROVIDERS: Mapping[str, _Declaration] = {
    "local": _local,
    "aws": _aws,
    "openstack": _openstack,
}
