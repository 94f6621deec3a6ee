"""An image of a machine that has the environment: a builder is made, imaged and ended.

The builder is like a machine of the cluster and carries its tags, so that an audit finds it if
all of this is cut off; it ends itself after `BUILDER_SECONDS` in any case. It starts from plain
Ubuntu, so that no image carries what one before it had.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.errors import DeadlineError, TandemError
from contracts.limits import Limits
from contracts.progress import Tell, step
from infra import cloud_init, ubuntu
from infra.ssh_keys import make_key

BUILDER_SECONDS = 3600
RUN_SECONDS = 300.0
IMAGE_SECONDS = 1800.0
IMAGE_TAG = "tandem:image"
_LOOK_SECONDS = 2.0
_LIKE = ("InstanceType", "KeyName")
# What EC2 calls an architecture, as `uname -m` has it.
_UNAME = {"x86_64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Builder:
    """A machine that exists to become an image; `host_key` is that of its first boot."""

    instance_id: str
    private_ip: str
    public_ip: str
    host_key: str


def make_builder(ec2: Any, model: str, image: str | None, tell: Tell) -> Builder:
    """Make a machine like another one; `image` is what it starts from, by default new Ubuntu.

    Raises
    ------
    TandemError
        If there is no such machine to be like, or no such image.
    DeadlineError
        If it does not run in time; it is ended then.
    """
    like = _instance(ec2, model)
    start = _image(ec2, image) if image else _newest_ubuntu(ec2, like["Architecture"])
    key = make_key()
    profile = like.get("IamInstanceProfile", {}).get("Arn")
    tags = [tag for tag in like.get("Tags", ()) if not tag["Key"].startswith("aws:")]
    named = [{"Key": "Name", "Value": "tandem image builder"}]
    every = [*(tag for tag in tags if tag["Key"] not in ("Name", "tandem:node")), *named]
    limits = Limits(ttl_seconds=BUILDER_SECONDS)
    # boto3 turns it into base64 itself.
    text = base64.b64decode(
        cloud_init.user_data(key.private.decode(), key.public, limits=limits)
    )
    with step(tell, "builder", "make"):
        made = ec2.run_instances(
            **{name: like[name] for name in _LIKE if name in like},
            ImageId=start["ImageId"],
            BlockDeviceMappings=[
                {
                    "DeviceName": start["RootDeviceName"],
                    "Ebs": {
                        "VolumeType": "gp3",
                        "VolumeSize": _disk_gib(ec2, like),
                        "Encrypted": True,
                        "DeleteOnTermination": True,
                    },
                }
            ],
            **({"IamInstanceProfile": {"Arn": profile}} if profile else {}),
            NetworkInterfaces=[
                {
                    "DeviceIndex": 0,
                    "SubnetId": like["SubnetId"],
                    "Groups": _groups(like),
                    # Whatever the subnet does by itself: the operator has to reach it.
                    "AssociatePublicIpAddress": True,
                }
            ],
            MinCount=1,
            MaxCount=1,
            UserData=text,
            InstanceInitiatedShutdownBehavior="terminate",
            MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            TagSpecifications=[
                {"ResourceType": kind, "Tags": every} for kind in ("instance", "volume")
            ],
        )["Instances"][0]
        name = made["InstanceId"]
        try:
            found = _await(
                lambda: _running(ec2, name), RUN_SECONDS, f"builder {name}", "it to run"
            )
        except BaseException:
            end(ec2, name)
            raise
    return Builder(name, found["PrivateIpAddress"], found["PublicIpAddress"], key.public)


def take(ec2: Any, builder: str, name: str, tags: Mapping[str, str], tell: Tell) -> str:
    """Take an image of a machine and wait until it can be used; return its id.

    The machine is restarted for it, so that what was written is on its disk.
    """
    labels = [{"Key": key, "Value": value} for key, value in tags.items()]
    with step(tell, "builder", "image"):
        image: str = ec2.create_image(
            InstanceId=builder,
            Name=name,
            Description="Ubuntu with the environment of Tandem's nodes",
            # With the image itself: a call that is cut off leaves nothing without a tag.
            TagSpecifications=[
                {"ResourceType": kind, "Tags": labels} for kind in ("image", "snapshot")
            ],
        )["ImageId"]
        _await(lambda: _available(ec2, image), IMAGE_SECONDS, f"image {image}", "it to be done")
    return image


def existing(ec2: Any, fingerprint: str, architecture: str) -> str | None:
    """Return the newest image of ours with that environment, or None.

    `architecture` is EC2's word for it, as `architecture_of` returns it.
    """
    found = ec2.describe_images(
        Owners=["self"],
        Filters=[
            {"Name": f"tag:{IMAGE_TAG}", "Values": [fingerprint]},
            {"Name": "architecture", "Values": [architecture]},
        ],
    )["Images"]
    usable = [one for one in found if one["State"] == "available"]
    return str(_newest(usable)["ImageId"]) if usable else None


def architecture_of(ec2: Any, machine: str) -> str:
    """Return EC2's word for the architecture of a machine; TandemError if it is not there."""
    return str(_instance(ec2, machine)["Architecture"])


def end(ec2: Any, builder: str) -> None:
    """End the builder."""
    ec2.terminate_instances(InstanceIds=[builder])


def _instance(ec2: Any, name: str) -> Any:
    found = ec2.describe_instances(
        Filters=[
            {"Name": "instance-id", "Values": [name]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
    )["Reservations"]
    if not found:
        raise TandemError(
            f"There is no machine {name} that the builder could be like.",
            next_step="pulumi up, then the same command again",
        )
    return found[0]["Instances"][0]


def _image(ec2: Any, name: str) -> Any:
    found = ec2.describe_images(ImageIds=[name])["Images"]
    if not found:
        raise TandemError(
            f"There is no image {name} that the builder could start from.",
            next_step="leave --image out; newest Ubuntu is taken then",
        )
    return found[0]


def _newest_ubuntu(ec2: Any, architecture: str) -> Any:
    name = ubuntu.NAME.format(ubuntu.ARCHITECTURES[_UNAME[architecture]])
    wanted = {"name": name, "architecture": architecture, "state": "available"}
    found = ec2.describe_images(
        Owners=[ubuntu.MAKER],
        Filters=[{"Name": key, "Values": [value]} for key, value in wanted.items()],
    )["Images"]
    if not found:
        raise TandemError(
            f"There is no image named {name} in this region.",
            next_step="fab image.bake --image ami-...",
        )
    return _newest(found)


def _newest(images: Sequence[Any]) -> Any:
    return max(images, key=lambda one: str(one.get("CreationDate", "")))


def _disk_gib(ec2: Any, like: Any) -> int:
    """Return the size of a machine's first disk."""
    root = like["RootDeviceName"]
    disks = {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in like["BlockDeviceMappings"]}
    return int(ec2.describe_volumes(VolumeIds=[disks[root]])["Volumes"][0]["Size"])


def _groups(like: Any) -> list[str]:
    """Return the security groups of a machine's first network interface."""
    cards = like["NetworkInterfaces"]
    first = next(one for one in cards if one["Attachment"]["DeviceIndex"] == 0)
    return [one["GroupId"] for one in first["Groups"]]


def _running(ec2: Any, name: str) -> tuple[Any, str]:
    found = ec2.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]
    state = found["State"]["Name"]
    if state in ("shutting-down", "terminated"):
        why = found.get("StateReason", {}).get("Message", "no reason given")
        raise TandemError(f"The builder {name} ended at once.", cause=why)
    ready = state == "running" and found.get("PublicIpAddress")
    return (found if ready else None), state


def _available(ec2: Any, name: str) -> tuple[Any, str]:
    found = ec2.describe_images(ImageIds=[name])["Images"][0]
    if found["State"] in ("failed", "error", "invalid"):
        why = found.get("StateReason", {}).get("Message", "no reason given")
        raise TandemError(f"The image {name} could not be made.", cause=why)
    return (found if found["State"] == "available" else None), found["State"]


def _await(look: Callable[[], tuple[Any, str]], seconds: float, whom: str, what: str) -> Any:
    give_up = time.monotonic() + seconds
    while True:
        found, state = look()
        if found is not None:
            return found
        if time.monotonic() > give_up:
            raise DeadlineError(
                waited_for=what, whom=whom, seconds=seconds, last_state=state,
                next_step="fab cost.audit shows what is there; then the same command again",
            )  # fmt: skip
        time.sleep(_LOOK_SECONDS)
