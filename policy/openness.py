"""What may reach machines: no rule of a group may let the world in, on any cloud.

Inputs are those that policy.rules describes.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from policy.known import UNKNOWN

Props = Mapping[str, Any]

GROUP = "aws:ec2/securityGroup:SecurityGroup"
RULES = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
)
_OPENSTACK_RULE = "openstack:networking/secGroupRule:SecGroupRule"
# Wider than this is not the operator's place.
WIDEST = {4: 16, 6: 32}


def closed_to_the_world(kind: str, props: Props) -> list[str]:
    """No port may be open to the world: neither SSH nor an engine's."""
    if kind == GROUP:
        return [words for rule in props.get("ingress") or [] for words in _too_open(rule)]
    if kind == _OPENSTACK_RULE and props.get("direction") != "egress":
        return _too_open_on_openstack(props)
    if kind == RULES[0] or (kind == RULES[1] and props.get("type") == "ingress"):
        return _too_open(props)
    return []


def _too_open(rule: Props) -> list[str]:
    given: list[Any] = [rule.get("cidrIpv4"), rule.get("cidrIpv6")]
    given += [*(rule.get("cidrBlocks") or []), *(rule.get("ipv6CidrBlocks") or [])]
    ports = f"{_port(rule, 'fromPort')} to {_port(rule, 'toPort')}"
    # A list of networks that is kept elsewhere may hold any network.
    found = [
        f"ports {ports} are open to {name} {rule[name]}"
        for name in ("prefixListId", "prefixListIds")
        if rule.get(name) or rule.get(name) is UNKNOWN
    ]
    for text in given:
        if text is None or text is UNKNOWN:
            continue
        network = ipaddress.ip_network(str(text), strict=False)
        if network.prefixlen < WIDEST[network.version]:
            found.append(f"ports {ports} are open to {network}")
    return found


def _too_open_on_openstack(rule: Props) -> list[str]:
    groups = (rule.get("remoteGroupId"), rule.get("remoteAddressGroupId"))
    if any(one or one is UNKNOWN for one in groups):
        return []
    given = rule.get("remoteIpPrefix")
    if given is not UNKNOWN and not given:
        # Without any of these a rule is for everybody.
        given = "::/0" if rule.get("ethertype") == "IPv6" else "0.0.0.0/0"
    sides = {"fromPort": rule.get("portRangeMin"), "toPort": rule.get("portRangeMax")}
    return _too_open({**sides, "cidrBlocks": [given]})


def _port(rule: Props, name: str) -> str:
    value = rule.get(name)
    return str(int(value)) if isinstance(value, (int, float)) else "any"
