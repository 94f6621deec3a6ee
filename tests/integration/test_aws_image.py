"""An image is baked, and machines made of it take part without downloading anything."""

import pytest

from infra import aws_image
from tests.integration import aws_clusters
from tests.integration.aws_clusters import container_of, inside
from tests.integration.local_clusters import docker_client

pytestmark = [pytest.mark.long, pytest.mark.containers, pytest.mark.timeout(1800)]
NOWHERE = "http://127.0.0.1:1/simple"
# Whatever would be a secret, or belongs to one machine.
LOOK = """
import glob, os
names = ("/etc/tandem/*", "/etc/ssh/ssh_host_*", "/home/*/.tandem/*", "/root/.ssh/*",
         "/home/*/.ssh/authorized_keys", "/opt/tandem/watchdog.pyz")
print(sorted(path for name in names for path in glob.glob(name)))
"""


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
