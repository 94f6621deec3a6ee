"""`fab image.*`: an image of a machine that has the environment, and so starts faster."""

import dataclasses
import datetime
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import UsageError
from contracts.files import single_writer, state_folder
from contracts.inventory import Inventory, Node
from contracts.progress import Tell
from cost import images
from cost.account import Account, in_our_words
from infra import aws_image, node_image, stack_file
from provision import bake as baking
from provision import first_contact
from tasks.account import account_of
from tasks.audit import WHOSE
from tasks.cost_words import named
from tasks.progress import Progress
from tasks.verb import Answer, listed, verb

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"


@verb(
    help={
        "inventory": "a file in place of the state folder's inventory",
        "again": "make another, even if there is one with this environment",
        "image": "the AMI that the builder starts from; by default the newest Ubuntu",
    }
)
def bake(context: Context, inventory: str = "", again: bool = False, image: str = "") -> Answer:
    """Make an image with the locked environment, on a builder like the cluster's head.

    The builder is made, brought to the environment, freed of every key and trace, imaged and
    ended. The image stays, and costs what its snapshot takes, until fab image.remove.
    """
    state, tell = state_folder(), Progress()
    machines = inventories.load(Path(inventory) if inventory else state / "inventory.json")
    if machines.provider != "aws":
        raise UsageError(
            f"Images are made on AWS, and {machines.cluster_id!r} is {machines.provider!r}.",
            next_step="fab setup.run makes the image of local machines",
        )
    ec2 = account_of(machines).client("ec2")
    fingerprint = node_image.lock_fingerprint(LOCK)
    with in_our_words("look for images"):
        architecture = aws_image.architecture_of(ec2, machines.head.instance_id)
        found = None if again else aws_image.existing(ec2, fingerprint, architecture)
    if found:
        return _answer(found, fingerprint, made=False)
    with single_writer(state / "bake.lock", purpose="Making an image"):
        work = _Bake(ec2, machines, fingerprint, image or None)
        return _answer(_bake(work, state, tell), fingerprint, made=True)


@dataclass(frozen=True)
class _Bake:
    """What an image is made of: an environment, on a machine like another's head."""

    ec2: Any
    machines: Inventory
    fingerprint: str
    start: str | None


def _bake(work: _Bake, state: Path, tell: Tell) -> str:
    ec2, machines, fingerprint = work.ec2, work.machines, work.fingerprint
    folder = state / "bake"
    shutil.rmtree(folder, ignore_errors=True)
    with in_our_words("make a builder"):
        builder = aws_image.make_builder(ec2, machines.head.instance_id, work.start, tell)
    try:
        alone, path = alone_of(machines, builder), folder / "inventory.json"
        inventories.dump(alone, path)
        alone = first_contact.meet(alone, path, tell)
        baking.bake(alone, LOCK, state, tell)
        moment = datetime.datetime.now(datetime.UTC)
        name = f"tandem-{fingerprint}-{moment:%Y%m%d-%H%M%S}"
        tags = {aws_image.IMAGE_TAG: fingerprint, "Name": name}
        with in_our_words("take an image"):
            return aws_image.take(ec2, builder.instance_id, name, tags, tell)
    finally:
        with in_our_words("end the builder"):
            aws_image.end(ec2, builder.instance_id)
        shutil.rmtree(folder, ignore_errors=True)


def alone_of(machines: Inventory, builder: aws_image.Builder) -> Inventory:
    """Return an inventory of the builder alone, without limits or bucket of its own."""
    node: Node = dataclasses.replace(
        machines.head,
        name="builder",
        private_ip=builder.private_ip,
        public_ip=builder.public_ip,
        ssh_host=builder.public_ip,
        host_key=builder.host_key,
        temporary_host_key=builder.host_key,
        instance_id=builder.instance_id,
        jump=None,
    )
    return dataclasses.replace(
        machines,
        nodes=(node,),
        bucket=None,
        expires_at=None,
        ttl_hours=None,
        idle_minutes=None,
        budget=None,
    )


def _answer(image: str, fingerprint: str, *, made: bool) -> Answer:
    words = f"{'Made' if made else 'There is'} image {image} with environment {fingerprint}."
    following = f"pulumi config set image {image}, then pulumi up"
    document = {"image": image, "environment": fingerprint, "made": made}
    return Answer(document, f"{words}\nNext: {following}")


@verb(
    help={
        "regions": "where to look; by default where the inventory or the stack says",
        "stack": WHOSE,
    }
)
def list_(context: Context, regions: str = "", stack: str = "") -> Answer:
    """Show the images that were made, and snapshots that lost theirs: each costs storage."""
    account, where = _account(regions, stack)
    found: list[images.Kept] = []
    for region in where:
        with in_our_words(f"look for images in {region}"):
            found += images.kept(account.client("ec2", region), region)
    number = account.number()
    lines = [
        f"{one.kind:<9} {one.id:<24} {one.region:<14} {one.gib:g} GiB  {one.created[:10]}  "
        f"environment {one.environment}"
        for one in found
    ]
    total = f"{len(found)} in {', '.join(where)}, {named(number)}."
    document = {
        "account": number,
        "regions": where,
        "images": [{**vars(one), "kind": one.kind} for one in found],
    }
    return Answer(document, "\n".join([*lines, total]))


@verb(
    help={
        "image": "what fab image.list shows: ami-..., or snap-... of one that lost its image",
        "regions": "where it is; by default where the inventory or the stack says",
        "stack": WHOSE,
    }
)
def remove(context: Context, image: str, regions: str = "", stack: str = "") -> Answer:
    """Remove an image that was made, and its snapshots; one that a stack names is refused."""
    users = [
        one
        for one in stack_file.of_cluster(None, provider="aws")
        if stack_file.read(one).get("tandem:image") == image
    ]
    if users:
        raise UsageError(
            f"Pulumi.{users[0]}.yaml names {image}, so that its next up would fail.",
            next_step=f"pulumi config rm image --stack {users[0]}, then the same command again",
        )
    account, (region, *more) = _account(regions, stack)
    if more:
        raise UsageError(
            f"In which region is {image}?", next_step=f"--regions {region}, or another"
        )
    ec2 = account.client("ec2", region)
    with in_our_words(f"remove {image}"):
        found = images.named(ec2, region, image)
        images.remove(ec2, found)
    gone = [found.id, *(one for one in found.snapshots if one != found.id)]
    words = f"Removed {', '.join(gone)} ({region}, {named(account.number())})."
    return Answer({"removed": gone, "region": region}, words)


def _account(regions: str, stack: str) -> tuple[Account, list[str]]:
    """Return whose images are meant, and in which regions."""
    path = state_folder() / "inventory.json"
    machines = inventories.load(path) if path.exists() and not stack else None
    on_aws = machines if machines and machines.provider == "aws" else None
    cluster = on_aws.cluster_id if on_aws else None
    where = listed(regions) or ([on_aws.region] if on_aws else [])
    where = where or stack_file.regions(cluster, stack)
    account = Account(where[0] if where else None, profile=stack_file.profile(cluster, stack))
    return account, where or [account.region]


collection = Collection("image", bake, remove)
collection.add_task(list_, name="list")
