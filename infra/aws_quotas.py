"""Whether an account's quotas of virtual CPUs have room for a cluster; nothing is changed."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from contracts import aws_catalogue
from infra.aws_calls import ALIVE, code_of
from infra.aws_settings import AwsSettings
from infra.findings import Finding

Clients = Callable[[str], Any]
# Service Quotas' names for "vCPUs of running instances", on demand and on the spot market, by
# how a type's name begins (Amazon EC2 User Guide, "Amazon EC2 service quotas").
_STANDARD = ("L-1216C47A", "L-34B43A08")
_GRAPHICS = ("L-DB2E81BA", "L-3819A6DF")
_QUOTAS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys("acdhimrtz", _STANDARD),
    "dl": ("L-6E869C2A", "L-85EED4F7"),
    "f": ("L-74FC7D96", "L-88CF9481"),
    "g": _GRAPHICS,
    "hpc": ("L-F7808C92", ""),
    "inf": ("L-1945791B", "L-B5D1601B"),
    "mac": ("", ""),
    "p": ("L-417A185B", "L-7212CCBC"),
    "p5": ("L-417A185B", "L-C4BD4855"),
    "trn": ("L-2C3B7624", "L-6B0D517C"),
    "u": ("L-43DA4232", ""),
    "vt": _GRAPHICS,
    "x": ("L-7295265B", "L-E3A00192"),
}
_UNTOLD = (
    "AccessDenied",
    "AccessDeniedException",
    "NoSuchResourceException",
    "UnauthorizedOperation",
)
_OWN_TAG = "tandem:cluster"


def quotas(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Yield whether the quota of virtual CPUs has room, for each family and market.

    The cluster's own machines that run already are wanted, and do not count as in use.
    """
    ec2 = clients("ec2")
    running = list(_of_others(ec2, settings.cluster_id))
    asked = [(one.type_name, one.market) for one in settings.machines]
    cpus = _cpus(ec2, {name for name, _ in [*asked, *running]}, settings.region)
    wanted, used = _summed(asked, cpus), _summed(running, cpus)
    for code, count in sorted(wanted.items()):
        if code:
            yield _room(clients("service-quotas"), code, count, used[code])
    for name, market in dict.fromkeys(asked):
        if not quota_of(name, market):
            words = f"which quota {name} ({market}) counts towards is not known here"
            yield Finding(f"quota of {name}", "note", words, _CONSOLE)


def quota_of(type_name: str, market: str) -> str:
    """Return the name of the quota that a type counts towards; empty if none is known."""
    known = [begin for begin in _QUOTAS if type_name.startswith(begin)]
    return _QUOTAS[max(known, key=len)][market == "spot"] if known else ""


_CONSOLE = "look under Service Quotas, EC2, in the console"


def _of_others(ec2: Any, cluster: str) -> Iterator[tuple[str, str]]:
    states = {"Name": "instance-state-name", "Values": list(ALIVE)}
    pages = ec2.get_paginator("describe_instances").paginate(Filters=[states])
    for one in pages.search("Reservations[].Instances[]"):
        if one and {"Key": _OWN_TAG, "Value": cluster} not in one.get("Tags", ()):
            market = "spot" if one.get("InstanceLifecycle") == "spot" else "on-demand"
            yield one["InstanceType"], market


def _cpus(ec2: Any, names: Iterable[str], region: str) -> dict[str, int]:
    """Return the virtual CPUs of each type: from the bundled table, else from EC2."""
    known = {name: aws_catalogue.find(name, region) for name in names}
    found = {name: kind.cpus for name, kind in known.items() if kind}
    unlisted = sorted(name for name, kind in known.items() if kind is None)
    if unlisted:
        for one in ec2.describe_instance_types(InstanceTypes=unlisted)["InstanceTypes"]:
            found[one["InstanceType"]] = one["VCpuInfo"]["DefaultVCpus"]
    return found


def _summed(machines: Iterable[tuple[str, str]], cpus: Mapping[str, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, market in machines:
        found[quota_of(name, market)] += cpus[name]
    return found


def _room(service: Any, code: str, wanted: int, used: int) -> Finding:
    what = f"quota {code}"
    try:
        found = service.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]
    except ClientError as error:
        if code_of(error) not in _UNTOLD:
            raise
        words = f"{wanted} vCPUs are wanted, and AWS does not tell this quota"
        return Finding(what, "note", f"{words} ({code_of(error)})", _CONSOLE)
    most, name = math.floor(found["Value"]), found.get("QuotaName", code)
    words = f"{name}: {wanted} wanted, {used} in use by others, {most} allowed"
    if used + wanted <= most:
        return Finding(what, "ok", words)
    return Finding(
        what,
        "bad",
        words,
        f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code "
        f"{code} --desired-value {used + wanted}; or fewer or smaller machines",
    )
