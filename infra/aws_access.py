"""Who may reach the machines over SSH: the rule that says so, found and repaired."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from contracts import ports
from contracts.errors import UsageError
from infra.cloud_rules import WIDEST_OPERATOR

RULE_TAG, RULE = "tandem:rule", "ssh"


@dataclass(frozen=True)
class Allowed:
    """What the group lets in over SSH now, and what it did before.

    `block` may reach SSH now; `replaced` is what it took the place of.
    """

    block: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    replaced: str | None = None

    @property
    def changed(self) -> bool:
        """Whether anything had to be changed."""
        return self.before != self.after

    def configured(self, known: str) -> str:
        """Return what a stack's `operator-cidrs` are to be where they were `known`.

        The order stays, by which the stack knows its rules. What covers the block stays as it
        is; an empty text is as good as the address that the next `up` finds.
        """
        given = (one.strip() for one in known.split(","))
        # A stack may name one address without its /32.
        listed = [str(ipaddress.ip_network(one, strict=False)) for one in given if one]
        if covers(listed, self.block) or not (listed or self.changed):
            return known
        if not listed:
            return ",".join(one for one in self.after if ":" not in one)
        if self.replaced in listed:
            listed[listed.index(self.replaced)] = self.block
        else:
            listed.append(self.block)
        return ",".join(listed)


def as_block(address: str, *, wide: bool = False) -> str:
    """Return an address or a block of them as a block; one address is a block of one.

    Raises
    ------
    UsageError
        If it is neither, not of IPv4, or wider than a stack may have it. `wide` acknowledges
        that, but for the whole world.
    """
    try:
        block = ipaddress.IPv4Network(address, strict=False)
    except ValueError as error:
        raise UsageError(
            f"{address!r} is neither an IPv4 address nor a block of them.",
            next_step="fab cluster.allow --address 203.0.113.7",
        ) from error
    if block.prefixlen == 0 or (block.prefixlen < WIDEST_OPERATOR and not wide):
        raise UsageError(
            f"{block} would open SSH to {block.num_addresses} addresses.",
            next_step=f"fab cluster.allow --address with a /{WIDEST_OPERATOR} or less; "
            "allow-open-ssh true in the stack acknowledges more, but never the whole world",
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


def allow(ec2: Any, group: str, block: str, instead_of: str | None = None) -> Allowed:
    """Let one more block of addresses reach SSH on the machines of a group.

    `ec2` is a client of the region. Where the block may already, nothing is changed. It takes
    the place of `instead_of`, by default of the only single address that there is: that is
    where its operator was before. The rule is changed in place and keeps its id, so that the
    stack still knows it; where there is none at all, one is made. All others stay.

    Raises
    ------
    UsageError
        If it is not clear which rule is to be changed.
    """
    rules = {_block(rule): rule for rule in _rules(ec2, group)}
    before = tuple(sorted(rules))
    if covers(before, block):
        return Allowed(block, before, before)
    if not rules:
        _make(ec2, group, block)
        return Allowed(block, before, (block,))
    stale = _stale(before, block, instead_of)
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[
            {
                "SecurityGroupRuleId": rules[stale]["SecurityGroupRuleId"],
                "SecurityGroupRule": {
                    "IpProtocol": "tcp",
                    "FromPort": ports.SSH.first,
                    "ToPort": ports.SSH.last,
                    "CidrIpv4": block,
                    "Description": rules[stale].get("Description", ports.SSH.purpose),
                },
            }
        ],
    )
    after = tuple(sorted({*before, block} - {stale}))
    return Allowed(block, before, after, replaced=stale)


def _stale(before: tuple[str, ...], block: str, instead_of: str | None) -> str:
    """Return the block whose rule is to be changed."""
    if instead_of in before:
        return str(instead_of)
    single = [one for one in before if one.endswith("/32")]
    if instead_of is None and len(single) == 1:
        return single[0]
    raise UsageError(
        f"{block} may not reach SSH, and which rule to change for it is not clear: there are "
        f"{', '.join(before)}.",
        next_step=f"fab cluster.allow --instead-of {(single or before)[0]}, or another of "
        "them; or, to keep all: pulumi config set operator-cidrs with all of them and this "
        "one, and pulumi up",
    )


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
    permission = {
        "IpProtocol": "tcp",
        "FromPort": ports.SSH.first,
        "ToPort": ports.SSH.last,
        "IpRanges": [{"CidrIp": block, "Description": ports.SSH.purpose}],
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
