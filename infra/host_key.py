"""A host key for a machine's first boot: known before the first connection, used for it alone.

Whoever may read a machine's user data can read it there, so provision replaces it on first
contact by one that is made on the machine and never leaves it.
"""

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

from infra.ssh_keys import make_key


class HostKeyProvider(ResourceProvider):
    """Makes one key pair and keeps it; there is nothing outside the state."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make a key pair; its id is the public half."""
        made = make_key()
        found = {"private": made.private.decode(), "public": made.public}
        return CreateResult(made.public, {**props, **found})


class HostKey(Resource, name="HostKey"):
    """A temporary host key pair; `private` is a secret of the stack."""

    private: pulumi.Output[str]
    public: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["private"])
        super().__init__(
            HostKeyProvider(),
            name,
            {"private": None, "public": None},
            pulumi.ResourceOptions.merge(opts, secret),
        )
