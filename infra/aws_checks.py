"""Whether an account would let a cluster be made: asked before anything costs money.

Nothing here changes anything. `clients` gives the boto3 client of a service in the region.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from contracts import aws_catalogue
from infra import ubuntu
from infra.aws_settings import AwsSettings
from infra.findings import Finding

Clients = Callable[[str], Any]
# Service Quotas' names for "vCPUs of running instances", by family and market.
_STANDARD = {"on-demand": "L-1216C47A", "spot": "L-34B43A08"}
_GRAPHICS = {"on-demand": "L-DB2E81BA", "spot": "L-3819A6DF"}
_STANDARD_FAMILIES = "acdhimrtz"
_RUNNING = {"Name": "instance-state-name", "Values": ["pending", "running"]}


def region(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Yield whether the account may use the region."""
    names = [one["RegionName"] for one in clients("ec2").describe_regions()["Regions"]]
    if settings.region in names:
        yield Finding("region", "ok", f"{settings.region} is enabled")
    else:
        yield Finding(
            "region",
            "bad",
            f"{settings.region} is not enabled; enabled are {', '.join(sorted(names))}",
            "pulumi config set aws:region to one of them, or enable it in the account",
        )


def offers(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Yield, for each type, whether one zone of the region offers it together with the rest."""
    wanted = sorted({one.type_name for one in settings.machines})
    pages = (
        clients("ec2")
        .get_paginator("describe_instance_type_offerings")
        .paginate(
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": wanted}],
        )
    )
    zones: dict[str, set[str]] = {name: set() for name in wanted}
    for one in pages.search("InstanceTypeOfferings"):
        if one and one["InstanceType"] in zones:
            zones[one["InstanceType"]].add(one["Location"])
    for name, found in zones.items():
        if not found or (settings.zone and settings.zone not in found):
            where = settings.zone or settings.region
            elsewhere = f"; offered in {', '.join(sorted(found))}" if found else ""
            yield Finding(
                f"type {name}",
                "bad",
                f"{where} does not offer it{elsewhere}",
                "pulumi config set zone, head-type or worker-types to what is offered",
            )
        else:
            yield Finding(f"type {name}", "ok", f"offered in {', '.join(sorted(found))}")
    together = set.intersection(*zones.values()) if zones else set()
    if len(wanted) > 1 and all(zones.values()) and not together:
        yield Finding(
            "zone",
            "bad",
            f"no zone offers all of {', '.join(wanted)}",
            "take types that one zone offers: all machines lie in one zone",
        )


def quotas(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Yield whether the quota of virtual CPUs has room, for each family and market."""
    wanted: Counter[str] = Counter()
    for machine in settings.machines:
        wanted[_quota(machine.type_name, machine.market)] += _cpus(
            machine.type_name, settings.region
        )
    used: Counter[str] = Counter()
    pages = clients("ec2").get_paginator("describe_instances").paginate(Filters=[_RUNNING])
    for one in pages.search("Reservations[].Instances[]"):
        if one:
            market = "spot" if one.get("InstanceLifecycle") == "spot" else "on-demand"
            name = one["InstanceType"]
            used[_quota(name, market)] += _cpus(name, settings.region)
    for code, count in sorted(wanted.items()):
        yield _room(clients, code, count, used[code])


def image(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Yield whether the machine image is there and fits the machines."""
    kinds = {one.kind.architecture for one in settings.machines if one.kind}
    architecture = kinds.pop() if kinds else "x86_64"
    if settings.image:
        found = clients("ec2").describe_images(
            Filters=[{"Name": "image-id", "Values": [settings.image]}]
        )["Images"]
        words, fix = settings.image, "pulumi config rm image, or fab image.bake"
    else:
        name = ubuntu.NAME.format(ubuntu.ARCHITECTURES[architecture])
        found = clients("ec2").describe_images(
            Owners=[ubuntu.MAKER], Filters=[{"Name": "name", "Values": [name]}]
        )["Images"]
        words, fix = f"Ubuntu ({name})", "pulumi config set image ami-..."
    if not found:
        yield Finding("image", "bad", f"{words} is not there in {settings.region}", fix)
        return
    newest = max(found, key=lambda one: one.get("CreationDate", ""))
    its = {"arm64": "aarch64"}.get(newest["Architecture"], newest["Architecture"])
    if its != architecture:
        yield Finding("image", "bad", f"{words} is for {its}, machines are {architecture}", fix)
    else:
        yield Finding("image", "ok", f"{newest['ImageId']} {newest.get('Name', '')}".strip())


def _room(clients: Clients, code: str, wanted: int, used: int) -> Finding:
    what = f"quota {code}"
    try:
        found = clients("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=code)[
            "Quota"
        ]
    except clients("service-quotas").exceptions.NoSuchResourceException:
        return Finding(
            what,
            "note",
            f"{wanted} vCPUs are wanted, and AWS does not tell this quota",
            "look under Service Quotas, EC2, in the console",
        )
    most, name = math.floor(found["Value"]), found.get("QuotaName", code)
    words = f"{name}: {wanted} wanted, {used} in use, {most} allowed"
    if used + wanted <= most:
        return Finding(what, "ok", words)
    return Finding(
        what,
        "bad",
        words,
        f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code "
        f"{code} --desired-value {used + wanted}; or fewer or smaller machines",
    )


def _quota(type_name: str, market: str) -> str:
    quotas: Mapping[str, str] = _STANDARD if type_name[:1] in _STANDARD_FAMILIES else _GRAPHICS
    return quotas[market]


def _cpus(type_name: str, region: str) -> int:
    known = aws_catalogue.find(type_name, region)
    return known.cpus if known else 2
