"""What EC2 refuses and moto would allow: to delete what something else still needs."""

from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

VIOLATION = "DependencyViolation"


def ec2(region: str) -> Any:
    """Return moto's EC2 of one region."""
    return ec2_backends[DEFAULT_ACCOUNT_ID][region]


def living(region: str) -> list[Any]:
    """Return the instances of a region that are not terminated."""
    return [one for one in ec2(region).all_instances() if one.state != "terminated"]


def forbid(region: str, action: str, parameters: dict[str, str]) -> tuple[str, str] | None:
    """Return why EC2 would refuse a call, as its code and its words."""
    check = _LAWS.get(action)
    return check(region, parameters) if check else None


def _subnet(region: str, parameters: dict[str, str]) -> tuple[str, str] | None:
    wanted = parameters.get("SubnetId", "")
    if any(one.subnet_id == wanted for one in living(region)):
        return VIOLATION, f"The subnet '{wanted}' has dependencies and cannot be deleted."
    return None


def _group(region: str, parameters: dict[str, str]) -> tuple[str, str] | None:
    wanted = parameters.get("GroupId", "")
    used = any(
        group.id == wanted
        for one in living(region)
        for nic in one.nics.values()
        for group in nic.group_set
    )
    if used:
        return VIOLATION, f"resource {wanted} has a dependent object"
    return None


def _gateway(region: str, parameters: dict[str, str]) -> tuple[str, str] | None:
    vpc = parameters.get("VpcId", "")
    if any(one.vpc_id == vpc and one.public_ip for one in living(region)):
        return VIOLATION, (
            f"Network {vpc} has some mapped public address(es). Please unmap those public "
            "address(es) before detaching the gateway."
        )
    return None


def _vpc(region: str, parameters: dict[str, str]) -> tuple[str, str] | None:
    wanted = parameters.get("VpcId", "")
    attached = any(
        gateway.vpc is not None and gateway.vpc.id == wanted
        for gateway in ec2(region).internet_gateways.values()
    )
    groups = [one for one in ec2(region).groups.get(wanted, {}).values()]
    if attached or any(one.name != "default" for one in groups):
        return VIOLATION, f"The vpc '{wanted}' has dependencies and cannot be deleted."
    return None


_LAWS = {
    "DeleteSubnet": _subnet,
    "DeleteSecurityGroup": _group,
    "DetachInternetGateway": _gateway,
    "DeleteVpc": _vpc,
}
