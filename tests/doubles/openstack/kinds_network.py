"""Networks: network, subnet, router and its interface, groups and rules, ports, addresses."""

import contextlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from openstack import exceptions

from tests.doubles.aws.kind import Gone, Inputs, Kind


@contextlib.contextmanager
def gone() -> Iterator[None]:
    """Turn what the SDK raises for a thing that is not there into what the plugin expects."""
    try:
        yield
    except exceptions.NotFoundException as error:
        raise Gone(str(error)) from error


class Neutron(Kind):
    """A kind of neutron's: `noun` as the SDK's calls have it, `fields` the SDK's by ours."""

    noun = ""
    fields: Mapping[str, str] = MappingProxyType({})
    changing: tuple[str, ...] = ()
    tagged = True

    @property
    def _service(self) -> Any:
        return self.account.network

    def wanted(self, inputs: Inputs) -> dict[str, Any]:
        return {
            theirs: inputs[ours]
            for ours, theirs in self.fields.items()
            if inputs.get(ours) is not None
        }

    def create(self, inputs: Inputs, name: str) -> str:
        made = getattr(self._service, f"create_{self.noun}")(**self.wanted(inputs))
        if self.tagged:
            self._service.set_tags(made, list(inputs.get("tags") or []))
        return made.id

    def find(self, id_: str) -> Any:
        with gone():
            return getattr(self._service, f"get_{self.noun}")(id_)

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = self.find(id_)
        seen = {
            ours: getattr(found, self.fields[ours]) for ours in self.fields if ours in known
        }
        if self.tagged and "tags" in known:
            # Neutron has them in an order of its own.
            same = sorted(found.tags) == sorted(known["tags"])
            seen["tags"] = known["tags"] if same else sorted(found.tags)
        return seen

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        changes = {
            self.fields[name]: new[name]
            for name in self.changing
            if old.get(name) != new.get(name)
        }
        if changes:
            getattr(self._service, f"update_{self.noun}")(id_, **changes)
        if self.tagged:
            self._service.set_tags(self.find(id_), list(new.get("tags") or []))

    def delete(self, id_: str, known: Inputs) -> None:
        with gone():
            getattr(self._service, f"delete_{self.noun}")(id_, ignore_missing=False)


class Network(Neutron):
    noun, fields, named = (
        "network",
        {"name": "name", "adminStateUp": "is_admin_state_up"},
        "name",
    )
    changing = ("name", "adminStateUp")


class Subnet(Neutron):
    noun, named = "subnet", "name"
    fields = MappingProxyType(
        {
            "name": "name",
            "networkId": "network_id",
            "cidr": "cidr",
            "ipVersion": "ip_version",
            "dnsNameservers": "dns_nameservers",
        }
    )
    changing = ("name", "dnsNameservers")
    replaces = ("networkId", "cidr", "ipVersion")


class Router(Neutron):
    noun, named, changing = "router", "name", ("name",)
    fields = MappingProxyType({"name": "name"})
    replaces = ("externalNetworkId",)

    def wanted(self, inputs: Inputs) -> dict[str, Any]:
        outside = inputs.get("externalNetworkId")
        info = {"external_gateway_info": {"network_id": outside}} if outside else {}
        return {**super().wanted(inputs), **info}


class RouterInterface(Kind):
    replaces = ("routerId", "subnetId")

    def create(self, inputs: Inputs, name: str) -> str:
        router, subnet = inputs["routerId"], inputs["subnetId"]
        made = self.account.network.add_interface_to_router(router, subnet=subnet)
        return made["port_id"]

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        with gone():
            return {"portId": self.account.network.get_port(id_).id}

    def delete(self, id_: str, known: Inputs) -> None:
        with gone():
            self.account.network.remove_interface_from_router(known["routerId"], port=id_)


class SecGroup(Neutron):
    noun, named = "security_group", "name"
    fields = MappingProxyType({"name": "name", "description": "description"})
    changing = ("name", "description")

    def create(self, inputs: Inputs, name: str) -> str:
        made = super().create(inputs, name)
        if inputs.get("deleteDefaultRules"):
            for rule in self.find(made).security_group_rules:
                self.account.network.delete_security_group_rule(rule["id"])
        return made


class SecGroupRule(Neutron):
    noun, tagged = "security_group_rule", False
    fields = MappingProxyType(
        {
            "securityGroupId": "security_group_id",
            "direction": "direction",
            "ethertype": "ether_type",
            "protocol": "protocol",
            "portRangeMin": "port_range_min",
            "portRangeMax": "port_range_max",
            "remoteGroupId": "remote_group_id",
            "remoteIpPrefix": "remote_ip_prefix",
            "description": "description",
        }
    )
    replaces = tuple(fields)
    first_delete = True

    def wanted(self, inputs: Inputs) -> dict[str, Any]:
        numbers = {"port_range_min", "port_range_max"}
        found = super().wanted(inputs)
        return {key: int(one) if key in numbers else one for key, one in found.items()}


class Port(Neutron):
    noun, named = "port", "name"
    fields = MappingProxyType(
        {
            "name": "name",
            "networkId": "network_id",
            "adminStateUp": "is_admin_state_up",
            "securityGroupIds": "security_group_ids",
        }
    )
    changing = ("name", "securityGroupIds")
    replaces = ("networkId",)

    def wanted(self, inputs: Inputs) -> dict[str, Any]:
        fixed = [{"subnet_id": one["subnetId"]} for one in inputs.get("fixedIps") or []]
        return {**super().wanted(inputs), "fixed_ips": fixed}

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        addresses = [one["ip_address"] for one in self.find(id_).fixed_ips]
        return {**super().read(id_, known), "allFixedIps": addresses}


class FloatingIp(Neutron):
    noun, changing = "ip", ("description", "portId")
    fields = MappingProxyType({"description": "description", "portId": "port_id"})
    replaces = ("pool",)

    def wanted(self, inputs: Inputs) -> dict[str, Any]:
        pool = self.account.network.find_network(inputs["pool"], ignore_missing=False)
        return {**super().wanted(inputs), "floating_network_id": pool.id}

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        return {**super().read(id_, known), "address": self.find(id_).floating_ip_address}


def _token(kind: str) -> str:
    return f"openstack:networking/{kind[0].lower()}{kind[1:]}:{kind}"


KINDS: dict[str, type[Kind]] = {
    _token(one.__name__): one
    for one in (
        Network,
        Subnet,
        Router,
        RouterInterface,
        SecGroup,
        SecGroupRule,
        Port,
        FloatingIp,
    )
}
