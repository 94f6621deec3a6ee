"""A machine on EC2 that is bought on the spot market, or on demand where that has none.

Pulumi asks for a resource once, with one set of inputs. Asking again with others is a decision
at run time, so this resource makes its own calls.
"""

import contextlib
import time
from typing import Any

import pulumi
from botocore.exceptions import ClientError, WaiterError
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from infra.aws_calls import ALIVE, POLL, code_of, describe, ec2_of, instances, terminate
from infra.aws_launch import launch_request, tags
from infra.aws_settings import AwsSettings

# A tag that no other resource of ours sets: a machine that has it was made here.
MARK = "tandem:market"
# What the spot market answers when it has no machine, or none at the price.
NO_SPOT = (
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "MaxSpotInstanceCountExceeded",
    "SpotMaxPriceTooLow",
    "UnfulfillableCapacity",
)
_REPLACING = (
    "instance_type",
    "subnet_id",
    "vpc_security_group_ids",
    "key_name",
    "iam_instance_profile",
    "root_block_device",
    "metadata_options",
    "instance_initiated_shutdown_behavior",
    "associate_public_ip_address",
    "credit_specification",
)
_PROFILE_SECONDS = 60.0


class SpotOrOnDemandProvider(ResourceProvider):
    """Speaks to EC2 with the operator's own credentials."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start the machine, or take over what an interrupted attempt started."""
        with ec2_of(props) as ec2:
            made = _adopt(ec2, props) or _start(ec2, props)
        return CreateResult(made["InstanceId"], {**props, **_outputs(made)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """A machine is made anew for what it was started with; tags are changed in place."""
        names = [*_REPLACING, "ami"] if _news["named_image"] else list(_REPLACING)
        replaces = [name for name in names if _olds.get(name) != _news.get(name)]
        changed = bool(replaces) or _olds.get("tags") != _news.get("tags")
        return DiffResult(changes=changed, replaces=replaces, delete_before_replace=True)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Change the tags."""
        with ec2_of(_news) as ec2:
            ec2.create_tags(Resources=[_id], Tags=tags(_news))
            found = describe(ec2, _id)
        if found is None:
            raise RuntimeError(f"{_id} has gone.\nNext: pulumi up --refresh makes another")
        return UpdateResult({**_news, **_outputs(found)})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether the machine is still there."""
        with ec2_of(props) as ec2:
            found = describe(ec2, id_)
        if found is None:
            return ReadResult("", {})
        return ReadResult(id_, {**props, **_outputs(found)})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Terminate the machine and wait until its interface has let go of the network."""
        with ec2_of(_props) as ec2:
            terminate(ec2, _id)


class SpotOrOnDemand(Resource, name="SpotOrOnDemand"):
    """One machine; `market` says how it was bought in the end."""

    private_ip: pulumi.Output[str]
    public_ip: pulumi.Output[str]
    market: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: AwsSettings,
        wanted: dict[str, Any],
        opts: pulumi.ResourceOptions,
    ) -> None:
        price = settings.spot_max_price
        inputs = {
            **wanted,
            "tags": {**wanted["tags"], MARK: "spot-or-on-demand"},
            "region": settings.region,
            "profile": settings.profile,
            "named_image": settings.image is not None,
            "max_price": None if price is None else f"{price:.4f}",
            "private_ip": None,
            "public_ip": None,
            "market": None,
        }
        super().__init__(SpotOrOnDemandProvider(), name, inputs, opts)


def _start(ec2: Any, props: dict[str, Any]) -> dict[str, Any]:
    props = {**props, "root_device": _root_device(ec2, props["ami"])}
    try:
        return _run(ec2, launch_request(props, "spot"))
    except (_NoCapacity, ClientError) as refused:
        if isinstance(refused, ClientError) and code_of(refused) not in NO_SPOT:
            raise
        try:
            return _run(ec2, launch_request(props, "on-demand"))
        except (_NoCapacity, ClientError) as error:
            raise RuntimeError(
                f"Neither spot ({refused}) nor on demand ({error}) has a "
                f"{props['instance_type']}.\nNext: another type, or another zone"
            ) from error


class _NoCapacity(Exception):
    """A machine that was promised ended before it ran."""


def _run(ec2: Any, request: dict[str, Any]) -> dict[str, Any]:
    made = _ask(ec2, request)
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=[made], WaiterConfig=POLL)
        found = describe(ec2, made)
    except WaiterError as error:
        reason = _last_reason(error)
        terminate(ec2, made)
        raise _NoCapacity(reason) from error
    except BaseException:
        terminate(ec2, made)
        raise
    if found is None:
        raise _NoCapacity(f"{made} ended at once")
    return found


def _ask(ec2: Any, request: dict[str, Any]) -> str:
    """Ask for a machine until EC2 knows the instance profile, which was made just before."""
    give_up = time.monotonic() + _PROFILE_SECONDS
    while True:
        try:
            return str(ec2.run_instances(**request)["Instances"][0]["InstanceId"])
        except ClientError as error:
            unknown = "Invalid IAM Instance Profile" in str(error)
            if not unknown or time.monotonic() > give_up:
                raise
            time.sleep(POLL["Delay"])


def _adopt(ec2: Any, props: dict[str, Any]) -> dict[str, Any] | None:
    """Return the machine that an attempt made whose end Pulumi did not see.

    A node that was on demand and now may be spot has another machine still, which is not ours.
    """
    wanted = {
        f"tag:{name}": props["tags"][name] for name in ("tandem:cluster", "tandem:node", MARK)
    }
    # The key's name is unique to the stack, and names of clusters are not.
    wanted |= {"key-name": props["key_name"], "instance-type": props["instance_type"]}
    for found in instances(ec2, wanted, ALIVE):
        name = found["InstanceId"]
        ec2.get_waiter("instance_running").wait(InstanceIds=[name], WaiterConfig=POLL)
        return describe(ec2, name)
    return None


def _root_device(ec2: Any, image: str) -> str:
    found = ec2.describe_images(ImageIds=[image])["Images"]
    return str(found[0].get("RootDeviceName") or "/dev/sda1")


def _outputs(instance: dict[str, Any]) -> dict[str, Any]:
    return {
        "private_ip": instance["PrivateIpAddress"],
        "public_ip": instance.get("PublicIpAddress") or "",
        "market": "spot" if instance.get("InstanceLifecycle") == "spot" else "on-demand",
    }


def _last_reason(error: WaiterError) -> str:
    with contextlib.suppress(KeyError, IndexError, TypeError):
        instance = error.last_response["Reservations"][0]["Instances"][0]
        return str(instance["StateReason"]["Message"])
    return str(error)
