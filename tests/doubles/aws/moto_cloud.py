"""The cloud as a process: moto_server's application behind the gate, with machines behind it.

It listens on 127.0.0.1 alone, says its port on its first line of output, and ends, with all
its machines and networks removed, when its standard input ends: so it outlives no test run,
however that ended.
"""

import argparse
import itertools
import json
import os
import random
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("MOTO_ENABLE_AMI_VALIDATION", "true")
os.environ.setdefault("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")
CANONICAL = "099720109477"
UBUNTU = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-{date}"
OLDER, NEWEST = "ami-0d0b1e0000000001", "ami-0d0b1e0000000002"
JAMMY = "ami-0d0b1e0000000003"
# The one whose machines have the environment of the nodes already.
BAKED = "ami-0d0b1e0000000004"
# What this account may use. moto would name all, China's too, which need another account.
REGIONS = ("eu-north-1", "eu-west-1", "us-east-1")


def _images() -> list[dict[str, object]]:
    """Return the public images of this cloud: two of one release, to look up the newer."""
    jammy = "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20260903"
    named = {
        OLDER: (UBUNTU.format(date="20260811"), "2026-08-11T05:00:00.000Z"),
        NEWEST: (UBUNTU.format(date="20261015"), "2026-10-15T05:00:00.000Z"),
        JAMMY: (jammy, "2026-09-03T05:00:00.000Z"),
        BAKED: ("tandem-baked", "2026-11-01T05:00:00.000Z"),
    }
    return [
        {
            "ami_id": ami,
            "name": name,
            "creation_date": created,
            "owner_id": CANONICAL,
            "image_location": f"amazon/{name}",
            "description": "Canonical, Ubuntu, amd64",
            "state": "available",
            "public": True,
            "architecture": "x86_64",
            "image_type": "machine",
            "platform": None,
            "hypervisor": "xen",
            "virtualization_type": "hvm",
            "root_device_type": "ebs",
            "root_device_name": "/dev/sda1",
            "sriov": "simple",
        }
        for ami, (name, created) in named.items()
    ]


def _public_addresses(number: int) -> "itertools.chain[str]":
    """Return addresses that no network routes: 198.18.0.0/15 is for tests (RFC 2544)."""
    hosts = [f"198.18.{number}.{host}" for host in range(1, 255)]
    random.shuffle(hosts)
    return itertools.chain(hosts)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="for the cloud's own files")
    parser.add_argument("--machines", action="store_true", help="containers as instances")
    given = parser.parse_args()
    images = given.folder / "amis.json"
    images.write_text(json.dumps(_images()))
    os.environ["MOTO_AMIS_PATH"] = str(images)

    # moto reads its settings when it is imported.
    import moto.ec2.models.elastic_ip_addresses as elastic
    import moto.ec2.models.elastic_network_interfaces as interfaces
    import moto.s3.models as objects
    from moto import settings
    from moto.ec2.models.availability_zones_and_regions import (
        RegionsAndZonesBackend as zones,
    )
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    from tests.doubles.aws import laws
    from tests.doubles.aws.first_user import make_administrator
    from tests.doubles.aws.gate import Gate
    from tests.doubles.aws.snapshots import teach_moto

    teach_moto()
    zones.regions[:] = [one for one in zones.regions if one.name in REGIONS]
    # Where versions were suspended, moto disposes of markers, too, and cannot.
    objects.FakeDeleteMarker.dispose = lambda self, garbage=False: None
    public = _public_addresses(os.getpid() % 255)
    interfaces.random_public_ip = elastic.random_ip = lambda: next(public)
    key = make_administrator()
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0

    machines = None
    if given.machines:
        from tests.doubles.aws.hypervisor import Hypervisor

        machines = Hypervisor(os.getpid() % 255, BAKED)
    dispatcher = DomainDispatcherApplication(create_backend_app)
    gate = Gate(dispatcher, laws.forbid, machines.settle if machines else lambda _: None)
    server = make_server(
        "127.0.0.1", 0, gate, threaded=True, request_handler=MotoRequestHandler
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        if machines:
            machines.start(gate)
        started = datetime.now(UTC).isoformat()
        told = {"port": server.port, "pid": os.getpid(), "started": started, **key}
        print(json.dumps(told), flush=True)
        sys.stdin.read()
    finally:
        if machines:
            machines.close()
        server.shutdown()


if __name__ == "__main__":
    main()
