"""What every part of a cluster on OpenStack has in common: settings, choice, marks, parent."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra.openstack_choice import Choice
from infra.openstack_settings import OpenStackSettings

CLUSTER, OWNER, EXPIRES = "tandem:cluster", "tandem:owner", "tandem:expires-at"
# Unlike a cluster's name it is no other stack's, so whatever has it may be removed.
STACK = "tandem:stack"
# What neutron takes as one tag.
_LONGEST_TAG = 60


@dataclass(frozen=True)
class Frame:
    """One cluster under declaration; `mark` is the stack's own, `expires_at` in ISO 8601."""

    settings: OpenStackSettings
    choice: Choice
    mark: pulumi.Output[str]
    expires_at: pulumi.Output[str]
    parent: pulumi.Resource

    def name(self, what: str) -> str:
        """Return the name of one thing, by which people know whose it is."""
        return f"tandem-{self.settings.cluster_id}-{what}"

    def marked_name(self, what: str) -> pulumi.Output[str]:
        """Return a name that has the stack's mark: for a moment all that tells whose it is.

        Things of the network get their tags by a second call, and names by the first.
        """
        return self.mark.apply(lambda mark: f"{self.name(what)}-{mark}")

    def metadata(self, **more: str) -> dict[str, pulumi.Input[str]]:
        """Return what a machine says of itself; costs and left-overs are found by it."""
        return {
            CLUSTER: self.settings.cluster_id,
            OWNER: self.settings.owner,
            EXPIRES: self.expires_at,
            STACK: self.mark,
            **{f"tandem:{key}": value for key, value in more.items()},
        }

    def tags(self) -> list[pulumi.Input[str]]:
        """Return the same for things of the network, whose tags are plain texts."""
        return [
            pulumi.Output.from_input(value).apply(
                lambda text, key=key: f"{key}={text}"[:_LONGEST_TAG]  # type: ignore[misc]
            )
            for key, value in self.metadata().items()
        ]

    def options(self, **more: Any) -> pulumi.ResourceOptions:
        """Return options under the cluster's component."""
        return pulumi.ResourceOptions(parent=self.parent, **more)
