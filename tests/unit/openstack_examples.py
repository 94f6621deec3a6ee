"""The program on OpenStack as its tests declare it, on a cloud that offers what stands here."""

import json
from unittest import mock

from infra import openstack_stack
from infra.openstack_site import GIB, Flavor, Image, Network, Site, Subnet
from tests.doubles.declared_program import Declaration, declare

GIVEN = {
    "tandem:provider": "openstack",
    "tandem:name": "demo",
    "tandem:owner": "ada",
    "tandem:operator-cidrs": "198.51.100.7",
    "tandem:head-flavor": "ssc.medium",
    "tandem:worker-flavors": "ssc.small",
}
SITE = Site(
    region="EAST-1",
    auth_url="https://cloud.example.org:5000/v3",
    compute_url="https://cloud.example.org:8774/v2.1/",
    flavors=(
        Flavor("f1", "ssc.small", 1, 2 * GIB, 20),
        Flavor("f2", "ssc.medium", 2, 4 * GIB, 20),
        Flavor("f3", "ssc.large", 4, 8 * GIB, 0, gpus=1),
    ),
    images=(
        Image("i1", "Ubuntu 22.04", "2026-01-01"),
        Image("i2", "Ubuntu 24.04 - 2026.03", "2026-03-01", 10, GIB, "ubuntu"),
        Image("i3", "Ubuntu 24.04 - 2026.09", "2026-09-01", 10, GIB, "ubuntu"),
        Image("i4", "Debian 13", "2026-10-01", 30, GIB, "debian"),
    ),
    networks=(
        Network("n1", "Public External IPv4 Network", external=True),
        Network(
            "n2", "project", subnets=(Subnet("s6", "fd00::/64", 6), Subnet("s4", "10.1.0.0/24"))
        ),
        Network("n3", "bare"),
    ),
    zones=("nova", "gpu"),
    store=True,
    project="p",
)


def declared(site: Site = SITE, awake=(), **changes) -> Declaration:
    ours = {f"tandem:{name.replace('_', '-')}": value for name, value in changes.items()}
    with mock.patch.object(openstack_stack, "ask", return_value=(site, list(awake))):
        return declare({**GIVEN, **ours})


def document(found: Declaration) -> dict:
    return json.loads(found.one("InventoryFile").inputs["document"])
