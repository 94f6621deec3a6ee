"""Machines that EC2 made and Pulumi does not know of, because an `up` was killed in between.

They carry the tags of the cluster and the name of its key, which is unique to the stack. After
an `up` those that are no node are ended; before the network goes, whatever is left.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from infra.aws_calls import NOT_ENDED, POLL, ec2_of, instances
from infra.aws_settings import AwsSettings


class NoStraysProvider(ResourceProvider):
    """Looks at each run whether there are machines that are no node, and ends them."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """End the machines that are no node."""
        _end_all(props, props["nodes"])
        return CreateResult(props["cluster_id"], props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Say whether the nodes changed, or there are machines that are none."""
        nodes = _news["nodes"]
        if pulumi.contains_unknowns(nodes) or nodes != _olds["nodes"]:
            return DiffResult(changes=True)
        with ec2_of(_news) as ec2:
            return DiffResult(changes=bool(_strays(ec2, _news, nodes)))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """End the machines that are no node."""
        _end_all(_news, _news["nodes"])
        return UpdateResult(_news)


class NoStrays(Resource, name="NoStrays"):
    """After the nodes are made, no other machine of this stack is there."""

    def __init__(
        self,
        name: str,
        settings: AwsSettings,
        key_name: pulumi.Input[str],
        nodes: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs = {**_whose(settings, key_name), "nodes": list(nodes)}
        super().__init__(NoStraysProvider(), name, inputs, opts)


class NoneLeftProvider(ResourceProvider):
    """Does its work when it is deleted."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Do nothing yet."""
        return CreateResult(props["cluster_id"], props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Say whether the machines are to be known by another name."""
        return DiffResult(changes=any(_olds.get(name) != _news.get(name) for name in _WHOSE))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Take up the other name."""
        return UpdateResult(_news)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """End every machine that is left, a builder of images among them."""
        _end_all(_props, ())


class NoneLeft(Resource, name="NoneLeft"):
    """Made before the nodes, so deleted after them: then no machine holds the network."""

    def __init__(
        self,
        name: str,
        settings: AwsSettings,
        key_name: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(NoneLeftProvider(), name, _whose(settings, key_name), opts)


_WHOSE = ("cluster_id", "region", "profile", "key_name")


def _whose(settings: AwsSettings, key_name: pulumi.Input[str]) -> dict[str, Any]:
    return {
        "cluster_id": settings.cluster_id,
        "region": settings.region,
        "profile": settings.profile,
        "key_name": key_name,
    }


def _strays(ec2: Any, props: Mapping[str, Any], nodes: Sequence[str]) -> list[str]:
    wanted = {"tag:tandem:cluster": props["cluster_id"], "key-name": props["key_name"]}
    if nodes:
        # What has no node's name is a builder of images, and not in the way yet.
        wanted["tag-key"] = "tandem:node"
    found = [str(one["InstanceId"]) for one in instances(ec2, wanted, NOT_ENDED)]
    return [name for name in found if name not in nodes]


def _end_all(props: Mapping[str, Any], nodes: Sequence[str]) -> None:
    """End all machines of the stack but these nodes."""
    with ec2_of(props) as ec2:
        found = _strays(ec2, props, nodes)
        if found:
            ec2.terminate_instances(InstanceIds=found)
            ec2.get_waiter("instance_terminated").wait(InstanceIds=found, WaiterConfig=POLL)
