"""What a cloud offers to this project, as the program and its checks need it."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MIB, GIB = 1024**2, 1024**3
# What a cloud is said to be where the login names no region.
NO_REGION = "RegionOne"


@dataclass(frozen=True)
class Flavor:
    """A size of machine. `disk_gib` is 0 where a machine has to boot from a volume."""

    id: str
    name: str
    cpus: int
    memory_bytes: int
    disk_gib: int
    gpus: int = 0


@dataclass(frozen=True)
class Image:
    """A machine image that can be used; `user` is the login user that it names, if any.

    One that is not `public` is the project's own, such as a snapshot of somebody's machine.
    """

    id: str
    name: str
    created_at: str = ""
    least_disk_gib: int = 0
    least_memory_bytes: int = 0
    user: str = ""
    public: bool = True


@dataclass(frozen=True)
class Subnet:
    """A part of a network with addresses for machines."""

    id: str
    cidr: str
    ip_version: int = 4


@dataclass(frozen=True)
class Network:
    """A network. Floating addresses come from those that are `external`."""

    id: str
    name: str
    external: bool = False
    subnets: tuple[Subnet, ...] = ()


@dataclass(frozen=True)
class Site:
    """All of it. `compute_url` is where machines are made; `store` whether objects are kept.

    `project` is the id of the project that is logged in to.
    """

    region: str
    auth_url: str
    compute_url: str
    flavors: tuple[Flavor, ...]
    images: tuple[Image, ...]
    networks: tuple[Network, ...]
    zones: tuple[str, ...]
    store: bool
    project: str = ""

    @property
    def servers_path(self) -> str:
        """The path under which the compute service has its machines."""
        return urlsplit(self.compute_url).path.rstrip("/") + "/servers"


def look(link: Any) -> Site:
    """Ask the cloud; `link` is a connection of the SDK."""
    # One request alone first: services that just started refuse the first of several at once.
    link.session.get_token()
    subnets: dict[str, list[Subnet]] = {}
    for one in link.network.subnets():
        found = Subnet(one.id, one.cidr, int(one.ip_version))
        subnets.setdefault(one.network_id, []).append(found)
    return Site(
        region=link.config.get_region_name() or NO_REGION,
        auth_url=str(link.config.get_auth_args()["auth_url"]),
        compute_url=str(link.compute.get_endpoint()),
        flavors=tuple(map(_flavor, link.compute.flavors(details=True))),
        images=tuple(map(_image, link.image.images(status="active"))),
        networks=tuple(
            Network(
                one.id,
                one.name or "",
                bool(one.is_router_external),
                tuple(sorted(subnets.get(one.id, ()), key=lambda each: each.id)),
            )
            for one in link.network.networks()
        ),
        zones=_zones(link),
        store=link.has_service("object-store"),
        project=str(link.current_project_id or ""),
    )


def _zones(link: Any) -> tuple[str, ...]:
    return tuple(
        sorted(
            one.name
            for one in link.compute.availability_zones()
            if (one.state or {}).get("available", True)
        )
    )


def _flavor(found: Any) -> Flavor:
    return Flavor(
        id=found.id,
        name=found.name,
        cpus=int(found.vcpus),
        memory_bytes=int(found.ram) * MIB,
        disk_gib=int(found.disk or 0),
        gpus=_gpus(found.extra_specs or {}),
    )


def _gpus(specs: Mapping[str, str]) -> int:
    """Return how many GPUs a flavor's extra specifications promise, where they are shown."""
    count = 0
    with contextlib.suppress(ValueError):
        for name, value in specs.items():
            if name == "pci_passthrough:alias":
                count += sum(int(one.rpartition(":")[2]) for one in value.split(","))
            elif name in ("resources:VGPU", "resources:PGPU"):
                count += int(value)
    return count


def _image(found: Any) -> Image:
    said = found.properties or {}
    return Image(
        id=found.id,
        name=found.name or "",
        created_at=str(found.created_at or ""),
        least_disk_gib=int(found.min_disk or 0),
        least_memory_bytes=int(found.min_ram or 0) * MIB,
        user=str(
            found.os_admin_user or said.get("default_user") or said.get("login_name") or ""
        ),
        public=found.visibility == "public",
    )
