"""Calls of EC2 by resources of our own, which Pulumi's provider has no part in."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ALIVE = ("pending", "running")
# What runs already, or may run again: all of it costs, and holds on to the network.
NOT_ENDED = (*ALIVE, "stopping", "stopped")
POLL = {"Delay": 3, "MaxAttempts": 100}


@contextlib.contextmanager
def ec2_of(props: Mapping[str, Any]) -> Iterator[Any]:
    """Give a client of EC2 for a resource with `region` and `profile`.

    Raises
    ------
    RuntimeError
        For every refusal, in the cloud's own words: Pulumi shows no other detail of an error.
    """
    session = boto3.Session(
        profile_name=props.get("profile") or None, region_name=props["region"]
    )
    retries = Config(
        retries={"mode": "standard", "max_attempts": 8}, connect_timeout=10, read_timeout=60
    )
    client = session.client("ec2", config=retries)
    try:
        yield client
    except (ClientError, BotoCoreError) as error:
        raise RuntimeError(str(error)) from error
    finally:
        client.close()


def instances(
    ec2: Any, wanted: Mapping[str, str], states: Iterable[str]
) -> list[dict[str, Any]]:
    """Return the machines in some states that EC2's filters of these names and values find."""
    filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
    filters.append({"Name": "instance-state-name", "Values": list(states)})
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
    return [one for page in pages for part in page["Reservations"] for one in part["Instances"]]


def describe(ec2: Any, instance: str) -> dict[str, Any] | None:
    """Return a machine that is there; None for one that has gone or is going."""
    found = _find(ec2, instance)
    return found if found and found["State"]["Name"] in ALIVE else None


def terminate(ec2: Any, instance: str) -> None:
    """End a machine, and wait until its interface has let go of the network."""
    found = _find(ec2, instance)
    if found is None or found["State"]["Name"] == "terminated":
        return
    ec2.terminate_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig=POLL)


def code_of(error: ClientError) -> str:
    """Return AWS's name for an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _find(ec2: Any, instance: str) -> dict[str, Any] | None:
    try:
        answer = ec2.describe_instances(InstanceIds=[instance])
    except ClientError as error:
        if code_of(error) == "InvalidInstanceID.NotFound":
            return None
        raise
    found: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
    return found
