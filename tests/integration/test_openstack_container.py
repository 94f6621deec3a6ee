"""Objects in the container of a stack on OpenStack, written over S3 with its own key."""

import os
import shutil

import pytest

from contracts import machine_files
from provision.node import store as node_store
from tests.doubles.openstack.places import REGION
from tests.integration.openstack_clusters import stack_of
from tests.integration.openstack_machines import MachineCluster
from workloads.store import Store

pytestmark = [pytest.mark.long, pytest.mark.openstack, pytest.mark.timeout(1200)]
# Above what the AWS SDK sends at once, if it is not told otherwise.
LARGE = 9 * 1024 * 1024


def test_a_large_object_leaves_nothing_beside_the_container(
    openstack_cluster, tmp_path, monkeypatch
):
    cluster = MachineCluster(**vars(openstack_cluster))
    store = cluster.link.object_store
    before = {one.name for one in store.containers()}
    with stack_of(cluster, tmp_path) as stack:
        stack.settings.update({"nodes": 1, "image": "Ubuntu 24.04"})
        made = stack.up()
        assert made.succeeded, made.told()
        bucket, home = cluster.inventory().bucket, tmp_path / "home"
        key = home / ".tandem" / node_store.CREDENTIALS
        key.parent.mkdir(parents=True)
        shutil.copy(machine_files.store(cluster.state, cluster.name), key)
        monkeypatch.setenv("HOME", str(home))
        log = home / ".tandem/logs/one.log"
        log.parent.mkdir()
        log.write_bytes(os.urandom(LARGE))

        kept = {node_store.save(bucket, REGION, "demo", "node-1")}
        kept.add(Store(bucket, REGION, "demo", key).keep("one.log", log))
        found = {one.name: one for one in store.objects(bucket)}
        assert set(found) == kept
        assert min(int(one.content_length) for one in found.values()) >= LARGE
        assert {one.name for one in store.containers()} == before | {bucket}
        assert stack.destroy().succeeded
    assert cluster.audit().clean
    assert {one.name for one in store.containers()} == before
