"""Networks: VPC, subnet, gateway, routes, and security groups with their rules."""

import time
from typing import Any

from botocore.exceptions import ClientError

from tests.doubles.aws.kind import Gone, Inputs, Kind, changed, chosen, only

_DETACH_SECONDS = 60.0


class Vpc(Kind):
    replaces = ("cidrBlock", "instanceTenancy")
    tag_type = "vpc"

    def create(self, inputs: Inputs, name: str) -> str:
        made = self.account.ec2.create_vpc(
            CidrBlock=inputs["cidrBlock"], TagSpecifications=self.labelled(inputs)
        )["Vpc"]["VpcId"]
        self._switches(made, inputs)
        return made

    def _switches(self, id_: str, inputs: Inputs) -> None:
        for ours, theirs in _VPC_SWITCHES.items():
            if inputs.get(ours) is not None:
                self.account.ec2.modify_vpc_attribute(
                    VpcId=id_, **{theirs: {"Value": bool(inputs[ours])}}
                )

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        ec2 = self.account.ec2
        found = only(ec2.describe_vpcs(VpcIds=[id_])["Vpcs"])
        switches = {
            ours: ec2.describe_vpc_attribute(
                VpcId=id_, Attribute=f"{theirs[0].lower()}{theirs[1:]}"
            )[theirs]["Value"]
            for ours, theirs in _VPC_SWITCHES.items()
        }
        groups = ec2.describe_security_groups(
            Filters=[
                {"Name": "vpc-id", "Values": [id_]},
                {"Name": "group-name", "Values": ["default"]},
            ]
        )["SecurityGroups"]
        tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [id_]}])
        return {
            "cidrBlock": found["CidrBlock"],
            "arn": f"arn:aws:ec2:{self.account.region}:{found['OwnerId']}:vpc/{id_}",
            "ownerId": found["OwnerId"],
            "defaultSecurityGroupId": groups[0]["GroupId"] if groups else None,
            "mainRouteTableId": tables["RouteTables"][0]["RouteTableId"],
            **switches,
            **self.seen_tags(found),
        }

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        self._switches(id_, new)
        self.retag(id_, old, new)

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.ec2.delete_vpc(VpcId=id_)


_VPC_SWITCHES = {
    "enableDnsSupport": "EnableDnsSupport",
    "enableDnsHostnames": "EnableDnsHostnames",
}


class Subnet(Kind):
    replaces = ("cidrBlock", "vpcId", "availabilityZone", "availabilityZoneId")
    required = ("vpcId",)
    tag_type = "subnet"

    def create(self, inputs: Inputs, name: str) -> str:
        made = self.account.ec2.create_subnet(
            VpcId=inputs["vpcId"],
            TagSpecifications=self.labelled(inputs),
            **chosen(
                inputs,
                CidrBlock="cidrBlock",
                AvailabilityZone="availabilityZone",
                AvailabilityZoneId="availabilityZoneId",
            ),
        )["Subnet"]["SubnetId"]
        self.update(made, {}, {**inputs, "tags": None})
        return made

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = only(self.account.ec2.describe_subnets(SubnetIds=[id_])["Subnets"])
        return {
            "cidrBlock": found["CidrBlock"],
            "vpcId": found["VpcId"],
            "availabilityZone": found["AvailabilityZone"],
            "availabilityZoneId": found.get("AvailabilityZoneId"),
            "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
            "arn": found.get("SubnetArn"),
            **self.seen_tags(found),
        }

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        if changed(old, new, "mapPublicIpOnLaunch"):
            self.account.ec2.modify_subnet_attribute(
                SubnetId=id_, MapPublicIpOnLaunch={"Value": bool(new["mapPublicIpOnLaunch"])}
            )
        if old:
            self.retag(id_, old, new)

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.ec2.delete_subnet(SubnetId=id_)


class InternetGateway(Kind):
    tag_type = "internet-gateway"

    def create(self, inputs: Inputs, name: str) -> str:
        ec2 = self.account.ec2
        made = ec2.create_internet_gateway(TagSpecifications=self.labelled(inputs))
        id_ = made["InternetGateway"]["InternetGatewayId"]
        if inputs.get("vpcId"):
            ec2.attach_internet_gateway(InternetGatewayId=id_, VpcId=inputs["vpcId"])
        return str(id_)

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = only(
            self.account.ec2.describe_internet_gateways(InternetGatewayIds=[id_])[
                "InternetGateways"
            ]
        )
        attached = [one["VpcId"] for one in found["Attachments"]]
        return {
            "vpcId": attached[0] if attached else None,
            "ownerId": found.get("OwnerId"),
            **self.seen_tags(found),
        }

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        if changed(old, new, "vpcId"):
            self._detach(id_, old)
            self.account.ec2.attach_internet_gateway(InternetGatewayId=id_, VpcId=new["vpcId"])
        self.retag(id_, old, new)

    def _detach(self, id_: str, known: Inputs) -> None:
        """Detach it, with the patience of the real provider for what is still mapped."""
        if not known.get("vpcId"):
            return
        end = time.monotonic() + _DETACH_SECONDS
        while True:
            try:
                self.account.ec2.detach_internet_gateway(
                    InternetGatewayId=id_, VpcId=known["vpcId"]
                )
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "DependencyViolation" and time.monotonic() < end:
                    time.sleep(1)
                    continue
                if code != "Gateway.NotAttached":
                    raise
            return

    def delete(self, id_: str, known: Inputs) -> None:
        self._detach(id_, known)
        self.account.ec2.delete_internet_gateway(InternetGatewayId=id_)


class RouteTable(Kind):
    replaces = ("vpcId",)
    required = ("vpcId",)
    tag_type = "route-table"

    def create(self, inputs: Inputs, name: str) -> str:
        made = self.account.ec2.create_route_table(
            VpcId=inputs["vpcId"], TagSpecifications=self.labelled(inputs)
        )["RouteTable"]["RouteTableId"]
        self._routes(made, [], inputs.get("routes") or [])
        return str(made)

    def _routes(self, id_: str, old: list[Any], new: list[Any]) -> None:
        for route in (one for one in old if one not in new):
            self.account.ec2.delete_route(
                RouteTableId=id_, DestinationCidrBlock=route["cidrBlock"]
            )
        for route in (one for one in new if one not in old):
            self.account.ec2.create_route(
                RouteTableId=id_,
                DestinationCidrBlock=route["cidrBlock"],
                GatewayId=route["gatewayId"],
            )

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = only(self.account.ec2.describe_route_tables(RouteTableIds=[id_])["RouteTables"])
        routes = [
            {"cidrBlock": one["DestinationCidrBlock"], "gatewayId": one["GatewayId"]}
            for one in found["Routes"]
            if one.get("GatewayId", "local") != "local"
        ]
        seen = {"vpcId": found["VpcId"], **self.seen_tags(found)}
        return {**seen, "routes": routes} if "routes" in known else seen

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        self._routes(id_, old.get("routes") or [], new.get("routes") or [])
        self.retag(id_, old, new)

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.ec2.delete_route_table(RouteTableId=id_)


class Route(Kind):
    replaces = ("routeTableId", "destinationCidrBlock")
    required = ("routeTableId",)

    def create(self, inputs: Inputs, name: str) -> str:
        self.account.ec2.create_route(
            RouteTableId=inputs["routeTableId"],
            DestinationCidrBlock=inputs["destinationCidrBlock"],
            GatewayId=inputs["gatewayId"],
        )
        return f"r-{inputs['routeTableId']}~{inputs['destinationCidrBlock']}"

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        table, _, destination = id_.removeprefix("r-").partition("~")
        found = self.account.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        for one in only(found)["Routes"]:
            if one.get("DestinationCidrBlock") == destination:
                return {
                    "routeTableId": table,
                    "destinationCidrBlock": destination,
                    "gatewayId": one.get("GatewayId"),
                    "state": one.get("State"),
                }
        raise Gone

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        self.account.ec2.replace_route(
            RouteTableId=new["routeTableId"],
            DestinationCidrBlock=new["destinationCidrBlock"],
            GatewayId=new["gatewayId"],
        )

    def delete(self, id_: str, known: Inputs) -> None:
        table, _, destination = id_.removeprefix("r-").partition("~")
        self.account.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=destination)


class RouteTableAssociation(Kind):
    replaces = ("subnetId",)
    required = ("routeTableId",)

    def create(self, inputs: Inputs, name: str) -> str:
        made = self.account.ec2.associate_route_table(
            RouteTableId=inputs["routeTableId"], SubnetId=inputs["subnetId"]
        )
        return str(made["AssociationId"])

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = self.account.ec2.describe_route_tables(
            Filters=[{"Name": "association.route-table-association-id", "Values": [id_]}]
        )["RouteTables"]
        for one in only(found)["Associations"]:
            if one["RouteTableAssociationId"] == id_:
                return {"routeTableId": one["RouteTableId"], "subnetId": one.get("SubnetId")}
        raise Gone

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.ec2.disassociate_route_table(AssociationId=id_)


KINDS = {
    "aws:ec2/vpc:Vpc": Vpc,
    "aws:ec2/subnet:Subnet": Subnet,
    "aws:ec2/internetGateway:InternetGateway": InternetGateway,
    "aws:ec2/routeTable:RouteTable": RouteTable,
    "aws:ec2/route:Route": Route,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": RouteTableAssociation,
}
