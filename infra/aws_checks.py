"""Whether an account would let a cluster be made: asked before anything costs money.

Nothing here changes anything. `clients` gives the boto3 client of a service in the region.
"""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from infra import aws_rules, aws_zones, ubuntu
from infra.aws_calls import code_of
from infra.aws_settings import AwsSettings
from infra.findings import Finding

Clients = Callable[[str], Any]


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
    """Yield, for each type, where it is offered, and in which zone all machines will be."""
    ec2, wanted = clients("ec2"), sorted({one.type_name for one in settings.machines})
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": wanted}],
    )
    pairs = [
        (one["InstanceType"], one["Location"])
        for one in pages.search("InstanceTypeOfferings")
        if one
    ]
    for name in wanted:
        where = sorted(zone for kind, zone in pairs if kind == name)
        if where and aws_rules.is_burstable(name):
            words = "is slow once its CPU credits are used up, and no fair measure then"
            yield Finding(f"type {name}", "note", words, "take another type, such as m7i.large")
        elif where:
            yield Finding(f"type {name}", "ok", f"offered in {', '.join(where)}")
        else:
            words = f"{settings.region} does not offer it"
            yield Finding(f"type {name}", "bad", words, aws_zones.FIX)
    zones, allowed = aws_zones.offering_all(pairs, wanted), _allowed(ec2, settings)
    found = aws_zones.choose(zones, allowed)
    if found:
        yield Finding("zone", "ok", found)
    else:
        words = aws_zones.refusal(wanted, allowed, zones)
        yield Finding("zone", "bad", words, aws_zones.FIX)


def _allowed(ec2: Any, settings: AwsSettings) -> list[str]:
    """Return the zones that the program chooses from."""
    if settings.subnet:
        by_id = {"Name": "subnet-id", "Values": [settings.subnet]}
        found = ec2.describe_subnets(Filters=[by_id])["Subnets"]
        return [one["AvailabilityZone"] for one in found]
    if settings.zone:
        return [settings.zone]
    usual = [
        {"Name": "opt-in-status", "Values": ["opt-in-not-required"]},
        {"Name": "state", "Values": ["available"]},
    ]
    found = ec2.describe_availability_zones(Filters=usual)["AvailabilityZones"]
    return [one["ZoneName"] for one in found]


def image(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Yield whether the machine image is there and fits the machines."""
    found, words, fix = _images(clients("ec2"), settings)
    if not found:
        yield Finding("image", "bad", f"{words} is not there in {settings.region}", fix)
        return
    newest, architecture = max(found, key=_made), _architecture(settings)
    its = {"arm64": "aarch64"}.get(newest["Architecture"], newest["Architecture"])
    if its != architecture:
        yield Finding("image", "bad", f"{words} is for {its}, machines are {architecture}", fix)
    else:
        yield Finding("image", "ok", f"{newest['ImageId']} {newest.get('Name', '')}".strip())


def _images(ec2: Any, settings: AwsSettings) -> tuple[list[Any], str, str]:
    """Return the images that machines may start from, how to name them, and how to mend it."""
    if settings.image:
        wanted: dict[str, Any] = {"Filters": [{"Name": "image-id", "Values": [settings.image]}]}
        words, fix = settings.image, "pulumi config rm image, or fab image.bake"
    else:
        name = ubuntu.NAME.format(ubuntu.ARCHITECTURES[_architecture(settings)])
        wanted = {"Owners": [ubuntu.MAKER], "Filters": [{"Name": "name", "Values": [name]}]}
        words, fix = f"Ubuntu ({name})", "pulumi config set image ami-..."
    found: list[Any] = ec2.describe_images(**wanted)["Images"]
    return found, words, fix


def _architecture(settings: AwsSettings) -> str:
    kinds = (one.kind.architecture for one in settings.machines if one.kind)
    return next(kinds, "x86_64")


def _made(image: Any) -> str:
    return str(image.get("CreationDate", ""))


def network(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Yield whether a given subnet is there, has room, and has a way to the internet."""
    if not settings.subnet:
        return
    ec2, what = clients("ec2"), "subnet"
    by_id = {"Name": "subnet-id", "Values": [settings.subnet]}
    found = ec2.describe_subnets(Filters=[by_id])["Subnets"]
    if not found:
        words = f"{settings.subnet} is not there in {settings.region}"
        yield Finding(what, "bad", words, "pulumi config set subnet to one that is")
        return
    vpc, room = found[0]["VpcId"], found[0]["AvailableIpAddressCount"]
    if vpc != settings.vpc:
        words = f"{settings.subnet} is in {vpc}, and vpc is {settings.vpc}"
        yield Finding(what, "bad", words, f"pulumi config set vpc {vpc}")
    elif room < len(settings.machines):
        words = f"{settings.subnet} has {room} addresses left for {len(settings.machines)}"
        yield Finding(what, "bad", words, "take another subnet, or fewer machines")
    elif not _has_a_way_out(ec2, settings.subnet, vpc):
        words = f"{settings.subnet} has no route to an internet gateway: nobody reaches SSH"
        yield Finding(what, "bad", words, "add a route of 0.0.0.0/0 to an internet gateway")
    else:
        words = f"{settings.subnet} in {vpc} is public and has {room} addresses left"
        yield Finding(what, "ok", words)


def _has_a_way_out(ec2: Any, subnet: str, vpc: str) -> bool:
    """Say whether the subnet's own table of routes, or else the VPC's, leads outside."""

    def tables(**filters: str) -> list[Any]:
        wanted = [{"Name": name, "Values": [value]} for name, value in filters.items()]
        found: list[Any] = ec2.describe_route_tables(Filters=wanted)["RouteTables"]
        return found

    own = tables(**{"association.subnet-id": subnet})
    return any(
        route.get("DestinationCidrBlock") == "0.0.0.0/0"
        and str(route.get("GatewayId", "")).startswith("igw-")
        for table in own or tables(**{"vpc-id": vpc, "association.main": "true"})
        for route in table["Routes"]
    )


def bucket(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Yield whether a given bucket can be reached."""
    if not settings.bucket:
        return
    try:
        clients("s3").head_bucket(Bucket=settings.bucket)
    except ClientError as error:
        why = {"301": "is in another region", "403": "is not open to these credentials"}
        words = why.get(code_of(error), f"cannot be used: {error}")
        fix = "pulumi config set bucket to one of your own, or pulumi config rm bucket"
        yield Finding("bucket", "bad", f"{settings.bucket} {words}", fix)
    else:
        yield Finding("bucket", "ok", f"{settings.bucket} is there")


def launch(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Yield whether the credentials may start machines: AWS is asked without starting any."""
    ec2, head = clients("ec2"), settings.machines[0]
    images = _images(ec2, settings)[0]
    if not images:
        return
    try:
        ec2.run_instances(
            DryRun=True,
            MinCount=1,
            MaxCount=1,
            ImageId=max(images, key=_made)["ImageId"],
            InstanceType=head.type_name,
        )
    except ClientError as error:
        if code_of(error) == "DryRunOperation":
            yield Finding("launch", "ok", "the credentials may start machines")
        elif code_of(error) == "UnauthorizedOperation":
            fix = "ask whoever keeps the account for docs/aws-operator-policy.json"
            yield Finding("launch", "bad", str(error), fix)
        else:
            yield Finding("launch", "note", f"AWS does not say whether: {error}")
