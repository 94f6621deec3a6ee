"""Things that OpenStack made and Pulumi does not know of, because an `up` was killed between.

All that a stack makes carries its mark. Four resources do their work when they are deleted:
one before the ports of machines, one after these, one after the router lets go of the network,
so that nothing holds what goes next, and one after everything.
"""

import secrets
from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from infra.openstack_calls import cloud_of
from infra.openstack_settings import OpenStackSettings
from infra.openstack_sweep import sweep

_WHERE = ("cloud", "region")


class SweepProvider(ResourceProvider):
    """Does its work when it is deleted."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Take the mark, or make one."""
        mark = props.get("mark") or secrets.token_hex(4)
        return CreateResult(mark, {**props, "mark": mark})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Say whether the cloud is to be known by another name."""
        return DiffResult(changes=any(_olds.get(name) != _news.get(name) for name in _WHERE))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Take up the other name; the mark stays."""
        return UpdateResult({**_news, "mark": _id})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove what is left."""
        with cloud_of(_props, "remove what is left") as link:
            sweep(link, _id, _props["kinds"], _props.get("public"))


class Sweep(Resource, name="Sweep"):
    """`mark` is the stack's own; what has it goes at the latest when this resource goes.

    So does whatever key pair has the public key `public`.
    """

    mark: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: OpenStackSettings,
        kinds: Sequence[str],
        opts: pulumi.ResourceOptions,
        *,
        mark: pulumi.Input[str] | None = None,
        public: pulumi.Input[str] | None = None,
    ) -> None:
        inputs = {
            "cloud": settings.cloud,
            "region": settings.region,
            "mark": mark,
            "public": public,
            "kinds": list(kinds),
        }
        super().__init__(SweepProvider(), name, inputs, opts)
