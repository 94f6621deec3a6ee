"""What neutron says of the ports of machines: who may reach them, and where from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rule = tuple[str, str, str]
_EVERYBODY = "0.0.0.0/0"


@dataclass(frozen=True)
class PortView:
    """One port: rules as packet filters take them, and the address outside, if it has one."""

    inward: Sequence[Rule]
    outward: Sequence[Rule]
    floating: str | None


# A port that is gone, or has no group: nobody reaches it, and it reaches nobody.
NOTHING = PortView((), (), None)


def look(network: Any) -> Mapping[str, PortView]:
    """Return what neutron says now, by the ids of ports; `network` is the SDK's, as admin."""
    ports = list(network.ports())
    members: dict[str, list[str]] = {}
    for port in ports:
        for group in port.security_group_ids or ():
            members.setdefault(group, []).extend(_addresses(port))
    inward: dict[str, list[Rule]] = {}
    outward: dict[str, list[Rule]] = {}
    for rule in network.security_group_rules():
        if rule.ether_type != "IPv4":
            continue
        side = inward if rule.direction == "ingress" else outward
        side.setdefault(rule.security_group_id, []).extend(_filters(rule, members))
    floating = {one.port_id: one.floating_ip_address for one in network.ips() if one.port_id}
    return {
        port.id: PortView(
            _of_groups(port, inward), _of_groups(port, outward), floating.get(port.id)
        )
        for port in ports
    }


def _addresses(port: Any) -> list[str]:
    return [one["ip_address"] for one in port.fixed_ips or ()]


def _of_groups(port: Any, rules: Mapping[str, Sequence[Rule]]) -> list[Rule]:
    if port.is_port_security_enabled is False:
        return [("all", "", _EVERYBODY)]
    return [one for group in port.security_group_ids or () for one in rules.get(group, ())]


def _filters(rule: Any, members: Mapping[str, Sequence[str]]) -> list[Rule]:
    protocol = rule.protocol or "all"
    first, last = rule.port_range_min, rule.port_range_max
    ports = "" if first is None or protocol == "icmp" else f"{first}:{last}"
    if rule.remote_group_id:
        networks = [f"{address}/32" for address in members.get(rule.remote_group_id, ())]
    else:
        networks = [rule.remote_ip_prefix or _EVERYBODY]
    return [(protocol, ports, network) for network in networks]
