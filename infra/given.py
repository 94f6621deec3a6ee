"""What the selected stack's configuration gives a program, as texts."""

import pulumi
from pulumi.runtime import config as given_config


def given(config: pulumi.Config) -> dict[str, str | None]:
    """Return every value of the configuration's namespace, misspelt names found too."""
    prefix = f"{config.name}:"
    names = [
        key.removeprefix(prefix) for key in given_config.CONFIG.get() if key.startswith(prefix)
    ]
    return {name: config.get(name) for name in names}
