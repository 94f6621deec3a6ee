"""What a program asks of the provider without making anything."""

import re
from typing import Any

from tests.doubles.aws.kind import Inputs


class NotFound(Exception):
    """A look-up found nothing, or too much; the text is the real provider's."""


def _filters(given: Inputs) -> list[dict[str, Any]]:
    return [
        {"Name": one["name"], "Values": one["values"]} for one in given.get("filters") or []
    ]


def _ami(account: Any, given: Inputs) -> dict[str, Any]:
    owners = {"Owners": given["owners"]} if given.get("owners") else {}
    found = account.ec2.describe_images(Filters=_filters(given), **owners)["Images"]
    if given.get("nameRegex"):
        found = [one for one in found if re.search(given["nameRegex"], one["Name"])]
    if not found:
        raise NotFound(
            "Your query returned no results. Please change your search criteria and try again."
        )
    if len(found) > 1 and not given.get("mostRecent"):
        raise NotFound(
            "Your query returned more than one result. Please try a more specific search "
            "criteria, or set `most_recent` attribute to true."
        )
    newest = max(found, key=lambda one: one["CreationDate"])
    return {
        "id": newest["ImageId"],
        "imageId": newest["ImageId"],
        "name": newest["Name"],
        "architecture": newest["Architecture"],
        "creationDate": newest["CreationDate"],
        "ownerId": newest["OwnerId"],
        "rootDeviceName": newest.get("RootDeviceName"),
        "rootDeviceType": newest.get("RootDeviceType"),
        "description": newest.get("Description"),
        "state": newest["State"],
        "tags": {one["Key"]: one["Value"] for one in newest.get("Tags", [])},
    }


def _zones(account: Any, given: Inputs) -> dict[str, Any]:
    found = account.ec2.describe_availability_zones(Filters=_filters(given))
    state = given.get("state")
    zones = [one for one in found["AvailabilityZones"] if not state or one["State"] == state]
    return {
        "id": account.region,
        "names": [one["ZoneName"] for one in zones],
        "zoneIds": [one["ZoneId"] for one in zones],
        "groupNames": [account.region],
    }


def _identity(account: Any, given: Inputs) -> dict[str, Any]:
    found = account.sts.get_caller_identity()
    return {
        "id": found["Account"],
        "accountId": found["Account"],
        "arn": found["Arn"],
        "userId": found["UserId"],
    }


def _region(account: Any, given: Inputs) -> dict[str, Any]:
    name = given.get("region") or account.region
    return {"id": name, "region": name, "name": name, "description": name, "endpoint": ""}


def _offerings(account: Any, given: Inputs) -> dict[str, Any]:
    kind = {"LocationType": given["locationType"]} if given.get("locationType") else {}
    found = account.ec2.describe_instance_type_offerings(Filters=_filters(given), **kind)
    offers = found["InstanceTypeOfferings"]
    return {
        "id": account.region,
        "instanceTypes": [one["InstanceType"] for one in offers],
        "locations": [one["Location"] for one in offers],
        "locationTypes": [one["LocationType"] for one in offers],
    }


def _instance_type(account: Any, given: Inputs) -> dict[str, Any]:
    found = account.ec2.describe_instance_types(InstanceTypes=[given["instanceType"]])
    one = found["InstanceTypes"][0]
    return {
        "id": one["InstanceType"],
        "defaultVcpus": one["VCpuInfo"]["DefaultVCpus"],
        "memorySize": one["MemoryInfo"]["SizeInMiB"],
        "supportedArchitectures": one["ProcessorInfo"]["SupportedArchitectures"],
        "supportedUsagesClasses": one.get("SupportedUsageClasses", []),
    }


def _vpc(account: Any, given: Inputs) -> dict[str, Any]:
    ids = {"VpcIds": [given["id"]]} if given.get("id") else {}
    filters = _filters(given)
    if given.get("default"):
        filters.append({"Name": "is-default", "Values": ["true"]})
    found = account.ec2.describe_vpcs(Filters=filters, **ids)["Vpcs"]
    if len(found) != 1:
        raise NotFound(
            "no matching EC2 VPC found" if not found else "multiple EC2 VPCs matched"
        )
    one = found[0]
    return {
        "id": one["VpcId"],
        "cidrBlock": one["CidrBlock"],
        "default": one["IsDefault"],
        "state": one["State"],
        "tags": {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])},
    }


def _subnet(account: Any, given: Inputs) -> dict[str, Any]:
    ids = {"SubnetIds": [given["id"]]} if given.get("id") else {}
    found = account.ec2.describe_subnets(Filters=_filters(given), **ids)["Subnets"]
    if len(found) != 1:
        raise NotFound("no matching EC2 Subnet found" if not found else "multiple EC2 Subnets")
    one = found[0]
    return {
        "id": one["SubnetId"],
        "vpcId": one["VpcId"],
        "cidrBlock": one["CidrBlock"],
        "availabilityZone": one["AvailabilityZone"],
        "mapPublicIpOnLaunch": one["MapPublicIpOnLaunch"],
    }


LOOKUPS = {
    "aws:ec2/getAmi:getAmi": _ami,
    "aws:ec2/getVpc:getVpc": _vpc,
    "aws:ec2/getSubnet:getSubnet": _subnet,
    "aws:ec2/getInstanceType:getInstanceType": _instance_type,
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _offerings,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:index/getCallerIdentity:getCallerIdentity": _identity,
    "aws:index/getRegion:getRegion": _region,
}
