"""What every part of a cluster on EC2 has in common: its settings, its tags, its parent."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra.aws_settings import AwsSettings

CLUSTER, OWNER, EXPIRES = "tandem:cluster", "tandem:owner", "tandem:expires-at"
# What names a resource whose full name AWS makes unique; roles allow 38 characters.
_LONGEST_NAME = 28


@dataclass(frozen=True)
class Frame:
    """One cluster under declaration. `expires_at` is in ISO 8601, UTC."""

    settings: AwsSettings
    expires_at: pulumi.Output[str]
    parent: pulumi.Resource

    @property
    def prefix(self) -> str:
        """How the names of the cluster's resources begin, a dash at the end."""
        return f"tandem-{self.settings.cluster_id[:_LONGEST_NAME]}-"

    def tags(self, name: str, **more: str) -> dict[str, pulumi.Input[str]]:
        """Return the tags of one resource, by which costs and left-overs are found."""
        return {
            "Name": f"tandem-{self.settings.cluster_id}-{name}",
            CLUSTER: self.settings.cluster_id,
            OWNER: self.settings.owner,
            EXPIRES: self.expires_at,
            **{f"tandem:{key}": value for key, value in more.items()},
        }

    def options(self, **more: Any) -> pulumi.ResourceOptions:
        """Return options under the cluster's component."""
        return pulumi.ResourceOptions(parent=self.parent, **more)

    def invoke(self) -> pulumi.InvokeOptions:
        """Return options of a look-up."""
        return pulumi.InvokeOptions(parent=self.parent)
