"""What EC2 refuses and moto would allow: to delete what is needed, to stop what was lent."""

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


def _stop(region: str, parameters: dict[str, str]) -> tuple[str, str] | None:
    """Refuse to stop spot machines; all of ours are asked for once."""
    wanted = {value for name, value in parameters.items() if name.startswith("InstanceId.")}
    for one in living(region):
        if one.id in wanted and one.lifecycle == "spot":
            return "UnsupportedOperation", (
                f"You can't stop the Spot Instance '{one.id}' because it is associated with a "
                "one-time Spot Instance request. You can only stop Spot Instances associated "
                "with persistent Spot Instance requests."
            )
    return None


def _credits(region: str, parameters: dict[str, str]) -> tuple[str, str] | None:
    """Refuse a choice of CPU credits for a type that has none."""
    kind = parameters.get("InstanceType", "")
    if "CreditSpecification.CpuCredits" in parameters and not kind.startswith("t"):
        return "InvalidParameterCombination", (
            f"The CPU credits parameter is not supported for the {kind} instance type."
        )
    return None


_LAWS = {
    "RunInstances": _credits,
    "StopInstances": _stop,
    "DeleteSubnet": _subnet,
    "DeleteSecurityGroup": _group,
    "DetachInternetGateway": _gateway,
    "DeleteVpc": _vpc,
}
