"""Remove what an audit found, each kind after those that hold on to it."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore import exceptions

from contracts.errors import TandemError
from contracts.progress import Tell, step, tell_nobody
from cost.account import PRICE_REGION, Account, code_of, in_our_words
from cost.found import EVERYWHERE, GLOBAL, REGIONAL, Found

AT_ONCE = 16
# Machines without a hypervisor, and large ones with graphics cards, take many minutes.
TERMINATE_SECONDS = 1200.0
# An interface or a rule goes a while after the machine that held it.
RELEASE_SECONDS = 180.0
_AGAIN_SECONDS = 2.0
_HELD = {
    "DependencyViolation",
    "VolumeInUse",
    "InvalidIPAddress.InUse",
    "InvalidNetworkInterface.InUse",
    "InvalidParameterValue",
    "DeleteConflict",
    "BucketNotEmpty",
    "OperationAborted",
    "AuthFailure",
}
_GONE_MARKS = ("NotFound", "NoSuch")
_MOST_KEYS = 1000  # what one call of DeleteObjects takes


def remove(
    account: Account, found: Sequence[Found], tell: Tell = tell_nobody
) -> dict[Found, str]:
    """Remove things in the right order; return those that would not go, with the reason.

    What is gone already counts as removed. A kind is begun when the one before is done with.
    """
    refused: dict[Found, str] = {}
    for kind in (*REGIONAL, *GLOBAL):
        things = [one for one in found if one.kind == kind]
        if not things:
            continue
        with (
            step(tell, "account", f"remove {kind} ({len(things)})"),
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            outcomes = pool.map(lambda one: _outcome(account, one), things)
            refused |= {
                one: why for one, why in zip(things, outcomes, strict=True) if why is not None
            }
    return refused


def _outcome(account: Account, one: Found) -> str | None:
    everywhere = one.region == EVERYWHERE
    service = {"bucket": "s3", "role": "iam", "instance profile": "iam"}.get(one.kind, "ec2")
    client = account.client(service, PRICE_REGION if everywhere else one.region)
    give_up = time.monotonic() + RELEASE_SECONDS
    while True:
        try:
            with in_our_words(f"remove {one.kind} {one.id}"), _gone_is_fine():
                _REMOVERS[one.kind](client, one)
            return None
        except TandemError as error:
            code = code_of(error.__cause__) if isinstance(error.__cause__, Exception) else ""
            if code not in _HELD or time.monotonic() > give_up:
                return error.cause or error.problem
            time.sleep(_AGAIN_SECONDS)


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except exceptions.ClientError as error:
        if not any(mark in code_of(error) for mark in _GONE_MARKS):
            raise


def _instance(client: Any, one: Found) -> None:
    with contextlib.suppress(exceptions.ClientError):
        # Otherwise a protected machine could not be removed by its own operator.
        client.modify_instance_attribute(
            InstanceId=one.id, DisableApiTermination={"Value": False}
        )
    client.terminate_instances(InstanceIds=[one.id])
    waiter = client.get_waiter("instance_terminated")
    most = int(TERMINATE_SECONDS / _AGAIN_SECONDS)
    waiter.wait(
        InstanceIds=[one.id], WaiterConfig={"Delay": int(_AGAIN_SECONDS), "MaxAttempts": most}
    )


def _address(client: Any, one: Found) -> None:
    if one.detail.get("AssociationId"):
        with _gone_is_fine():
            client.disassociate_address(AssociationId=one.detail["AssociationId"])
    client.release_address(AllocationId=one.id)


def _security_group(client: Any, one: Found) -> None:
    """Remove a group; its rules go first, because two groups may name each other."""
    group = client.describe_security_groups(GroupIds=[one.id])["SecurityGroups"][0]
    if group["IpPermissions"]:
        client.revoke_security_group_ingress(
            GroupId=one.id, IpPermissions=group["IpPermissions"]
        )
    client.delete_security_group(GroupId=one.id)


def _internet_gateway(client: Any, one: Found) -> None:
    for attachment in one.detail.get("Attachments", ()):
        with _gone_is_fine():
            client.detach_internet_gateway(InternetGatewayId=one.id, VpcId=attachment["VpcId"])
    client.delete_internet_gateway(InternetGatewayId=one.id)


def _route_table(client: Any, one: Found) -> None:
    associations = one.detail.get("Associations", ())
    if any(each.get("Main") for each in associations):
        return  # it goes with its network
    for each in associations:
        with _gone_is_fine():
            client.disassociate_route_table(AssociationId=each["RouteTableAssociationId"])
    client.delete_route_table(RouteTableId=one.id)


def _instance_profile(client: Any, one: Found) -> None:
    for role in one.detail.get("Roles", ()):
        with _gone_is_fine():
            client.remove_role_from_instance_profile(
                InstanceProfileName=one.id, RoleName=role["RoleName"]
            )
    client.delete_instance_profile(InstanceProfileName=one.id)


def _role(client: Any, one: Found) -> None:
    for name in client.list_role_policies(RoleName=one.id)["PolicyNames"]:
        client.delete_role_policy(RoleName=one.id, PolicyName=name)
    for policy in client.list_attached_role_policies(RoleName=one.id)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=one.id, PolicyArn=policy["PolicyArn"])
    client.delete_role(RoleName=one.id)


def _bucket(client: Any, one: Found) -> None:
    """Remove a bucket with every version of every object in it."""
    pages = client.get_paginator("list_object_versions").paginate(Bucket=one.id)
    for page in pages:
        versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]
        for first in range(0, len(keys), _MOST_KEYS):
            part = {"Objects": keys[first : first + _MOST_KEYS], "Quiet": True}
            errors = client.delete_objects(Bucket=one.id, Delete=part).get("Errors") or ()
            for error in errors:
                # This call succeeds although S3 kept something; trying again would, too.
                raise TandemError(
                    f"{len(errors)} objects of bucket {one.id} cannot be removed.",
                    cause=f"{error['Key']}: {error.get('Code')}: {error.get('Message')}",
                )
    client.delete_bucket(Bucket=one.id)


_REMOVERS: Mapping[str, Callable[[Any, Found], Any]] = {
    "spot request": lambda client, one: client.cancel_spot_instance_requests(
        SpotInstanceRequestIds=[one.id]
    ),
    "instance": _instance,
    "address": _address,
    "volume": lambda client, one: client.delete_volume(VolumeId=one.id),
    "network interface": lambda client, one: client.delete_network_interface(
        NetworkInterfaceId=one.id
    ),
    "security group": _security_group,
    "internet gateway": _internet_gateway,
    "subnet": lambda client, one: client.delete_subnet(SubnetId=one.id),
    "route table": _route_table,
    "network": lambda client, one: client.delete_vpc(VpcId=one.id),
    "key pair": lambda client, one: client.delete_key_pair(KeyName=one.detail["KeyName"]),
    "instance profile": _instance_profile,
    "role": _role,
    "bucket": _bucket,
}
