"""Images that were made with an environment, their snapshots, and how to be rid of them.

They belong to no cluster and outlive all, so an audit names them and calls nothing left for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore import exceptions

from contracts.errors import UsageError
from cost.account import code_of

IMAGE_TAG = "tandem:image"
_OURS = [{"Name": "tag-key", "Values": [IMAGE_TAG]}]


@dataclass(frozen=True)
class Kept:
    """One image with its snapshots, or one snapshot whose image has gone.

    `gib` is the size of its disks, an upper bound of what is stored and paid for.
    """

    id: str
    region: str
    environment: str
    name: str
    created: str
    snapshots: tuple[str, ...]
    gib: float

    @property
    def kind(self) -> str:
        """Return `image`, or `snapshot` for one without its image."""
        return "image" if self.id.startswith("ami-") else "snapshot"


def kept(ec2: Any, region: str) -> Iterator[Kept]:
    """Yield the images of ours in one region, then the snapshots that have lost theirs."""
    snapshots = {one["SnapshotId"]: one for one in _snapshots(ec2)}
    for image in _images(ec2):
        disks = [one.get("Ebs") or {} for one in image.get("BlockDeviceMappings") or ()]
        own = [str(disk["SnapshotId"]) for disk in disks if disk.get("SnapshotId")]
        yield Kept(
            image["ImageId"],
            region,
            _tags(image).get(IMAGE_TAG, ""),
            image.get("Name", ""),
            image.get("CreationDate", ""),
            tuple(own),
            float(sum(disk.get("VolumeSize") or 0 for disk in disks)),
        )
        for name in own:
            snapshots.pop(name, None)
    for name, one in sorted(snapshots.items()):
        tags, size = _tags(one), float(one.get("VolumeSize") or 0)
        begun = one["StartTime"].isoformat()
        label = tags.get("Name", "")
        yield Kept(name, region, tags.get(IMAGE_TAG, ""), label, begun, (name,), size)


def remove(ec2: Any, one: Kept) -> None:
    """Deregister an image and delete its snapshots; what is gone already is fine.

    When this is cut off in between, `kept` yields the snapshots that are left.
    """
    if one.kind == "image":
        _gone_is_fine(lambda: ec2.deregister_image(ImageId=one.id))
    for name in one.snapshots:
        _gone_is_fine(lambda name=name: ec2.delete_snapshot(SnapshotId=name))


def named(ec2: Any, region: str, name: str) -> Kept:
    """Return the image or lone snapshot of that id; UsageError if there is none of ours."""
    found = {one.id: one for one in kept(ec2, region)}
    if name not in found:
        there = f"there are {', '.join(found)}" if found else "there are none"
        raise UsageError(
            f"{name} is no image of Tandem's in {region}: {there}.",
            next_step="fab image.list --regions with the region where it is",
        )
    return found[name]


def _images(ec2: Any) -> list[Any]:
    pages = ec2.get_paginator("describe_images").paginate(Owners=["self"], Filters=_OURS)
    found = [one for one in pages.search("Images") if one]
    return sorted(found, key=lambda one: str(one.get("CreationDate", "")))


def _snapshots(ec2: Any) -> list[Any]:
    pages = ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=_OURS)
    return [one for one in pages.search("Snapshots") if one]


def _tags(thing: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags") or ()}


def _gone_is_fine(call: Any) -> None:
    try:
        call()
    except exceptions.ClientError as error:
        # An image that was deregistered is "unavailable" for a while, then unknown.
        if not any(mark in code_of(error) for mark in ("NotFound", "Unavailable")):
            raise
