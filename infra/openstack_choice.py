"""Which of a cloud's flavors, images and networks the configuration means; a pure decision.

What is not there is told with the names that are, all at once, before anything is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from contracts.schema import Problems
from infra.cloud_rules import near
from infra.openstack_settings import OpenStackSettings
from infra.openstack_site import GIB, Flavor, Image, Network, Site, Subnet

MOST_NAMES = 40
# What an image of Ubuntu 24.04 is called, wherever it is; the newest one wins.
_USUAL = ("ubuntu", "24.04")


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Named)


@dataclass(frozen=True)
class Choice:
    """What the machines are made of: flavors by their names, the rest by the cloud's ids."""

    site: Site
    flavors: Mapping[str, Flavor]
    image: Image
    external: Network | None
    given: Network | None
    given_subnet: Subnet | None


def choose(settings: OpenStackSettings, site: Site) -> Choice:
    """Find everything that the settings name in what the cloud offers.

    Raises
    ------
    InvalidDocument
        With every name that is wrong, and the names that there are.
    """
    problems = Problems()
    flavors = _flavors(settings, site, problems)
    image = _image(settings, site, problems)
    external = _external(settings, site, problems)
    given, subnet = _given(settings, site, problems)
    if settings.zone and settings.zone not in site.zones:
        problems.add("zone", _unknown("availability zone", settings.zone, site.zones))
    if settings.bucket and not site.store:
        problems.add("bucket", "this cloud keeps no objects")
    elif settings.s3_endpoint and not site.store:
        problems.add("s3-endpoint", "is for a container, and this cloud keeps no objects")
    if image is not None:
        for name, one in flavors.items():
            for words in misfits(one, image, settings.volume_gib):
                problems.add("image", f"{image.name} and flavor {name}: {words}")
    problems.raise_if_any(
        "the stack's configuration",
        next_step="pulumi config set NAME VALUE for each value named, then the same command "
        "again",
    )
    return Choice(site, flavors, cast(Image, image), external, given, subnet)


def misfits(flavor: Flavor, image: Image, volume_gib: int | None) -> list[str]:
    """Return why an image cannot be used with a flavor, or with a volume of that size."""
    found = []
    disk = flavor.disk_gib if volume_gib is None else volume_gib
    if volume_gib is None and flavor.disk_gib == 0:
        found.append("the flavor has no disk, so set volume-gib to boot from a volume")
    elif disk < image.least_disk_gib:
        found.append(f"{image.least_disk_gib} GiB of disk are wanted, there are {disk}")
    if flavor.memory_bytes < image.least_memory_bytes:
        wanted, there = image.least_memory_bytes / GIB, flavor.memory_bytes / GIB
        found.append(f"{wanted:.1f} GiB of memory are wanted, there are {there:.1f}")
    return found


def newest_ubuntu(images: Sequence[Image]) -> Image | None:
    """Return the newest image that is called Ubuntu 24.04, one of the site's if it has any."""
    found = [one for one in images if all(word in one.name.lower() for word in _USUAL)]
    found = [one for one in found if one.public] or found
    return max(found, key=lambda one: (one.created_at, one.name), default=None)


def _flavors(settings: OpenStackSettings, site: Site, problems: Problems) -> dict[str, Flavor]:
    found = {}
    names = sorted(one.name for one in site.flavors)
    for machine in settings.machines:
        field = "head-flavor" if machine.role == "head" else "worker-flavors"
        one = _find(site.flavors, machine.flavor)
        if one is not None:
            found[machine.flavor] = one
        elif (words := _unknown("flavor", machine.flavor, names)) and not any(
            known.endswith(words) for known in problems.found
        ):
            problems.add(field, words)
    return found


def _image(settings: OpenStackSettings, site: Site, problems: Problems) -> Image | None:
    if settings.image is None:
        found = newest_ubuntu(site.images)
        if found is None:
            names = sorted({one.name for one in site.images})
            problems.add("image", f"missing, and none is called Ubuntu 24.04; {_listed(names)}")
        return found
    # Sites renew an image under its name; the newest is meant.
    same = [one for one in site.images if settings.image in (one.id, one.name)]
    if not same:
        names = sorted({one.name for one in site.images})
        problems.add("image", _unknown("image", settings.image, names))
    return max(same, key=lambda one: one.created_at, default=None)


def _external(settings: OpenStackSettings, site: Site, problems: Problems) -> Network | None:
    """Return the network of floating addresses; a given network without them needs none."""
    if not settings.floating_ip:
        return None
    there = [one for one in site.networks if one.external]
    names = sorted(one.name for one in there)
    if settings.external_network is None:
        if len(there) != 1:
            problems.add("external-network", f"missing; {_listed(names)}")
        return there[0] if len(there) == 1 else None
    found = _find(there, settings.external_network)
    if found is None:
        words = _unknown("external network", settings.external_network, names)
        problems.add("external-network", words)
    return found


def _given(
    settings: OpenStackSettings, site: Site, problems: Problems
) -> tuple[Network | None, Subnet | None]:
    if settings.given_network is None:
        return None, None
    found = _find(site.networks, settings.given_network)
    if found is None:
        names = sorted(one.name for one in site.networks if not one.external)
        problems.add("given-network", _unknown("network", settings.given_network, names))
        return None, None
    subnet = next((one for one in found.subnets if one.ip_version == 4), None)
    if subnet is None:
        problems.add("given-network", f"{found.name} has no subnet of IPv4 that we may use")
    return found, subnet


def _find(things: Sequence[_Thing], wanted: str) -> _Thing | None:
    """Return the thing of that id, else of that name."""
    by_id = {one.id: one for one in things}
    by_name = {one.name: one for one in things}
    return by_id.get(wanted) or by_name.get(wanted)


def _unknown(what: str, name: str, names: Sequence[str]) -> str:
    if not name:
        return f"missing; {_listed(names)}"
    return f"this cloud has no {what} {name!r:.60}{near(name, names)}; {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "there are none"
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"there are {', '.join(names[:MOST_NAMES])}{more}"
