"""An image is baked, and machines made of it take part without downloading anything."""

import base64
import json
import time

import pytest

from contracts import inventory as inventories
from contracts.limits import Limits
from infra import aws_image, cloud_init, ssh_keys
from infra.aws_image import make_builder
from provision import bake, first_contact
from tasks.image import LOCK, alone_of
from tests.doubles.aws.moto_cloud import BAKED
from tests.integration import aws_clusters
from tests.integration.aws_clusters import container_of, inside
from tests.integration.local_clusters import docker_client

pytestmark = [pytest.mark.long, pytest.mark.containers, pytest.mark.timeout(1800)]
NOWHERE = "http://127.0.0.1:1/simple"
# Whatever would be a secret, or belongs to one machine.
LOOK = """
import glob, os
names = ("/etc/tandem/*", "/etc/ssh/ssh_host_*", "/home/*/.tandem/*", "/root/.ssh/*",
         "/home/*/.ssh/authorized_keys", "/opt/tandem/watchdog.pyz", "/var/lib/tandem/*")
print(sorted(path for name in names for path in glob.glob(name)))
"""


# As a machine's watchdog leaves it that was made days ago.
NOTE = """
import json, os, time
os.makedirs("/var/lib/tandem", exist_ok=True)
note = {"machine": "i-of-the-image", "boot": "another", "wall": time.time() - 5 * 86400,
        "ticking": 1.0}
open("/var/lib/tandem/first_start.json", "w").write(json.dumps(note))
"""
REPORT = "print(open('/run/tandem-watchdog.json').read())"


@pytest.fixture
def made(machine_account, warm, tmp_path):
    """A cluster of one machine that is like fresh Ubuntu: (cluster, stack)."""
    cluster = aws_clusters.new_cluster(tmp_path, machine_account)
    stack = aws_clusters.double_of(cluster, tmp_path, warm)
    del stack.settings["image"]
    with aws_clusters.destroyed_at_the_end(stack):
        done = stack.up()
        assert done.succeeded, done.told()
        yield cluster, stack


def test_machines_of_a_baked_image_take_part_without_a_download(made, monkeypatch):
    cluster, stack = made
    baked = cluster.fab("image.bake", "--json", timeout=1500)
    assert baked.code == 0, baked.err
    image, fingerprint = baked.document["image"], baked.document["environment"]
    again = cluster.fab("image.bake", "--json")
    assert again.document == {"image": image, "environment": fingerprint, "made": False}
    assert len(cluster.instances()) == 1, "the builder is gone"
    check_image(cluster, image, fingerprint)

    stack.settings.update({"image": image, "nodes": 2})
    done = stack.up()
    assert done.succeeded, done.told()
    assert {one["ImageId"] for one in cluster.instances()} == {image}
    monkeypatch.setenv("UV_DEFAULT_INDEX", NOWHERE)
    started = cluster.fab("cluster.start", "--nodes", "2", "--engine", "ray", "--json")
    assert started.code == 0, started.err
    steps = {
        step for found in started.document["endpoint"]["phases"].values() for step in found
    }
    assert "connect" in steps
    assert steps.isdisjoint({"environment", "download", "install", "compile"})


def check_image(cluster, image, fingerprint):
    ec2 = cluster.account.client("ec2")
    (found,) = ec2.describe_images(ImageIds=[image])["Images"]
    tags = {one["Key"]: one["Value"] for one in found["Tags"]}
    assert tags[aws_image.IMAGE_TAG] == fingerprint
    assert "tandem:cluster" not in tags, "it outlives the cluster"
    with docker_client() as client:
        (tag,) = (
            one
            for one in client.images.list(name="tandem-test-ec2")
            if f"tandem-test-ec2:{image}" in one.tags
        )
        kept = client.containers.run(tag, ["sleep", "60"], detach=True)
        try:
            assert inside(kept, LOOK, user="root") == (0, "[]")
        finally:
            kept.remove(force=True)


def test_a_builder_of_an_image_ends_with_the_stack(made):
    cluster, stack = made
    head = cluster.inventory().head.instance_id
    ec2 = cluster.account.client("ec2")
    builder = aws_image.make_builder(ec2, head, None, lambda event: None)
    with docker_client() as client:
        assert container_of(client, builder.instance_id)
    assert stack.up().changes() == [], "an image can be made while a stack is brought up"
    gone = stack.destroy()
    assert gone.succeeded, gone.told()
    assert cluster.left() == []


def test_an_image_does_not_end_the_machines_that_are_made_of_it_days_later(made, tmp_path):
    """Its watchdog writes nothing anew, and a note that got in all the same is none."""
    cluster, _ = made
    ec2 = cluster.account.client("ec2")
    builder = make_builder(ec2, cluster.inventory().head.instance_id, BAKED, lambda event: None)
    path = tmp_path / "builder.json"
    alone = alone_of(cluster.inventory(), builder)
    inventories.dump(alone, path)
    alone = first_contact.meet(alone, path, lambda event: None)
    bake.bake(alone, LOCK, tmp_path, lambda event: None)
    time.sleep(15)  # the watchdog looks every ten seconds
    with docker_client() as client:
        container = container_of(client, builder.instance_id)
        assert inside(container, LOOK, user="root") == (0, "[]")
        assert inside(container, NOTE, user="root")[0] == 0
    image = aws_image.take(
        ec2, builder.instance_id, cluster.name, {"Name": cluster.name}, lambda event: None
    )
    ec2.terminate_instances(InstanceIds=[builder.instance_id])
    check_machine_lives(cluster, image)


def check_machine_lives(cluster, image):
    """A machine of an image counts its time from its own first start."""
    ec2, key = cluster.account.client("ec2"), ssh_keys.make_key()
    (head,) = cluster.instances()
    text = cloud_init.user_data(
        key.private.decode(), key.public, limits=Limits(ttl_seconds=3600)
    )
    made = ec2.run_instances(
        ImageId=image,
        InstanceType="t3.medium",
        MinCount=1,
        MaxCount=1,
        SubnetId=head["SubnetId"],
        UserData=base64.b64decode(text),
        InstanceInitiatedShutdownBehavior="terminate",
    )["Instances"][0]["InstanceId"]
    try:
        with docker_client() as client:
            container, end = container_of(client, made), time.monotonic() + 60
            while (found := inside(container, REPORT, user="root"))[0]:
                assert time.monotonic() < end, found
                time.sleep(0.5)
        assert json.loads(found[1])["seconds_left"] > 3000
    finally:
        ec2.terminate_instances(InstanceIds=[made])
