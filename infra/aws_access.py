"""Who may reach the machines over SSH: the rule that says so, found and repaired."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from contracts import ports
from contracts.errors import UsageError

RULE_TAG, RULE = "tandem:rule", "ssh"


@dataclass(frozen=True)
class Allowed:
    """What the group lets in over SSH now, and what it did before."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether anything had to be changed."""
        return self.before != self.after


def as_block(address: str) -> str:
    """Return an address or a block of them as a block; one address is a block of one.

    Raises
    ------
    UsageError
        If it is neither, or if it is the whole world.
    """
    try:
        block = ipaddress.ip_network(address, strict=False)
    except ValueError as error:
        raise UsageError(
            f"{address!r} is neither an address nor a block of them.",
            next_step="fab cluster.allow --address 203.0.113.7",
        ) from error
    if block.prefixlen == 0:
        raise UsageError(
            "SSH is not opened to the whole world.",
            next_step="fab cluster.allow --address with your own address",
        )
    return str(block)


def covers(blocks: Iterable[str], block: str) -> bool:
    """Say whether a block of addresses lies within one of others."""
    own = ipaddress.ip_network(block)
    return any(
        own.version == other.version and own.subnet_of(other)  # type: ignore[arg-type]
        for other in map(ipaddress.ip_network, blocks)
    )


def blocks(ec2: Any, group: str) -> tuple[str, ...]:
    """Return the blocks of addresses that may reach SSH on the machines of a group."""
    return tuple(sorted(_block(rule) for rule in _rules(ec2, group)))


def allow(ec2: Any, group: str, block: str) -> Allowed:
    """Let one block of addresses reach SSH on the machines of a group, and no other.

    `ec2` is a client of the region. The rule that is there is changed in place and keeps its
    id, so that the stack still knows it; where it was removed, another is made.
    """
    rules = _rules(ec2, group)
    before = tuple(sorted(_block(rule) for rule in rules))
    if before == (block,):
        return Allowed(before, before)
    wanted = {
        "IpProtocol": "tcp",
        "FromPort": ports.SSH.first,
        "ToPort": ports.SSH.last,
        "CidrIpv6" if ":" in block else "CidrIpv4": block,
    }
    kept = [rule for rule in rules if _block(rule) == block] or [
        rule for rule in rules if (":" in _block(rule)) == (":" in block)
    ]
    if not kept:
        _make(ec2, group, block)
    elif _block(kept[0]) != block:
        described = {**wanted, "Description": kept[0].get("Description", ports.SSH.purpose)}
        ec2.modify_security_group_rules(
            GroupId=group,
            SecurityGroupRules=[
                {
                    "SecurityGroupRuleId": kept[0]["SecurityGroupRuleId"],
                    "SecurityGroupRule": described,
                }
            ],
        )
    surplus = [rule["SecurityGroupRuleId"] for rule in rules if rule not in kept[:1]]
    if surplus:
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=surplus)
    return Allowed(before, (block,))


def _rules(ec2: Any, group: str) -> list[Any]:
    """Return the rules that let someone reach SSH by address, tagged ones first."""
    pages = ec2.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )
    found = [
        rule
        for rule in pages.search("SecurityGroupRules")
        if rule
        and not rule["IsEgress"]
        and rule.get("FromPort") == ports.SSH.first
        and rule.get("ToPort") == ports.SSH.last
        and _block(rule)
    ]
    return sorted(found, key=lambda rule: _tag(rule) != RULE)


def _make(ec2: Any, group: str, block: str) -> None:
    version = "Ipv6" if ":" in block else "Ip"
    single = {f"Cidr{'Ipv6' if ':' in block else 'Ip'}": block}
    permission = {
        "IpProtocol": "tcp",
        "FromPort": ports.SSH.first,
        "ToPort": ports.SSH.last,
        f"{version}Ranges": [{**single, "Description": ports.SSH.purpose}],
    }
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[permission],
        TagSpecifications=[
            {
                "ResourceType": "security-group-rule",
                "Tags": [{"Key": RULE_TAG, "Value": RULE}],
            }
        ],
    )


def _block(rule: Any) -> str:
    return str(rule.get("CidrIpv4") or rule.get("CidrIpv6") or "")


def _tag(rule: Any) -> str:
    tags = {tag["Key"]: tag["Value"] for tag in rule.get("Tags") or ()}
    return str(tags.get(RULE_TAG, ""))
