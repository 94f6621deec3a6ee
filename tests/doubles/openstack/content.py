"""What the test bed's cloud has, as SSC has it: a project, flavors, images, networks."""

import io
import ipaddress
import time
from typing import Any

import openstack
from openstack import exceptions

from tests.doubles.openstack.places import BAKED, BARE, REGION, Bed

MEMBER, PROJECT, DOMAIN = "s00001", "NAISS 2026/1-1", "snic"
FLAVORS = (
    ("ssc.tiny", 1, 512, 10),
    ("ssc.small", 1, 2048, 20),
    ("ssc.medium", 2, 4096, 20),
    # More than the one machine has, so that no host is valid for it.
    ("ssc.giant", 512, 4096, 20),
)
# By its name and format; our driver of nova makes containers of those of the format "docker".
IMAGES = {"Ubuntu 22.04": "bare", "Ubuntu 24.04": "bare", BAKED: "docker", BARE: "docker"}
EXTERNAL = ("Public External IPv4 Network", "public")
QUOTA = {"instances": 6, "cores": 600, "ram": 20480}
WAIT_SECONDS = 240.0


def link(bed: Bed, name: str) -> Any:
    """Return a connection as one of the two clouds of clouds.yaml."""
    cloud = bed.clouds()["clouds"][name]  # type: ignore[index]
    return openstack.connect(
        load_yaml_config=False, load_envvars=False, auth_type="password", **cloud
    )


def accounts(bed: Bed) -> None:
    """Make services, their users and addresses, and the member's project."""
    identity = link(bed, "admin").identity
    member, admin = identity.find_role("member"), identity.find_role("admin")
    service = identity.find_role("service") or identity.create_role(name="service")
    project = identity.create_project(name="service", domain_id="default")
    for user, kind, path in (
        ("glance", "image", ""),
        ("placement", "placement", ""),
        ("nova", "compute", "/v2.1"),
        ("neutron", "network", ""),
        ("swift", "object-store", "/v1/AUTH_%(tenant_id)s"),
    ):
        made = identity.create_user(name=user, password=bed.password, domain_id="default")
        for role in (admin, service):
            identity.assign_project_role_to_user(project, made, role)
        known = identity.create_service(name=user, type=kind)
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(
                service_id=known.id,
                interface=interface,
                url=bed.url(kind, path),
                region_id=REGION,
            )
    domain = identity.create_domain(name=DOMAIN)
    theirs = identity.create_project(name=PROJECT, domain_id=domain.id)
    person = identity.create_user(
        name=MEMBER, password=bed.password, domain_id=domain.id, default_project_id=theirs.id
    )
    identity.assign_project_role_to_user(theirs, person, member)


def await_nova(bed: Bed) -> None:
    """Wait until all of nova's services say that they are there."""
    admin, give_up, seen = link(bed, "admin"), time.monotonic() + WAIT_SECONDS, ""
    wanted = {"nova-conductor", "nova-scheduler", "nova-compute"}
    while time.monotonic() < give_up:
        try:
            up = {one.binary for one in admin.compute.services() if one.state == "up"}
            if wanted <= up:
                return
            seen = f"only {sorted(up)}"
        except exceptions.SDKException as error:
            seen = str(error)
        time.sleep(0.3)
    raise RuntimeError(f"nova was not there after {WAIT_SECONDS:.0f} s: {seen}")


def things(bed: Bed) -> None:
    """Make flavors, images, external networks and the project's quota."""
    admin = link(bed, "admin")
    for name, cpus, memory, disk in FLAVORS:
        admin.compute.create_flavor(name=name, vcpus=cpus, ram=memory, disk=disk)
    for name, kind in IMAGES.items():
        admin.image.create_image(
            name,
            disk_format="raw",
            container_format=kind,
            visibility="public",
            data=io.BytesIO(bytes(4096)),
            validate_checksum=False,
            os_admin_user="ubuntu",
        )
    # Without neutron's migrations the templates of every new group are missing.
    for family in ("IPv4", "IPv6"):
        admin.network.create_default_security_group_rule(
            direction="egress",
            ether_type=family,
            used_in_default_sg=True,
            used_in_non_default_sg=True,
        )
    halves = list(ipaddress.ip_network(bed.outside).subnets())
    for place, name in enumerate(EXTERNAL):
        made = admin.network.create_network(
            name=name,
            is_router_external=True,
            provider_network_type="flat",
            provider_physical_network=f"outside{place}",
        )
        admin.network.create_subnet(
            network_id=made.id,
            ip_version=4,
            cidr=str(halves[place]),
            enable_dhcp=False,
        )
    project = admin.identity.find_project(PROJECT, domain_id=_domain(admin))
    admin.compute.update_quota_set(project.id, **QUOTA)


def _domain(admin: Any) -> str:
    return str(admin.identity.find_domain(DOMAIN).id)
