"""Security groups, with their rules within them or as resources of their own."""

from typing import Any

from tests.doubles.aws.kind import Inputs, Kind, changed, chosen, only


class SecurityGroup(Kind):
    replaces = ("name", "namePrefix", "description", "vpcId")
    named = "name"
    tag_type = "security-group"

    def create(self, inputs: Inputs, name: str) -> str:
        ec2 = self.account.ec2
        made = ec2.create_security_group(
            GroupName=inputs["name"],
            Description=inputs.get("description", "Managed by Pulumi"),
            TagSpecifications=self.labelled(inputs),
            **chosen(inputs, VpcId="vpcId"),
        )["GroupId"]
        # As the real provider does: the rule that lets everything out is not left unsaid.
        everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        ec2.revoke_security_group_egress(GroupId=made, IpPermissions=everything)
        self._rules(made, {}, inputs)
        return str(made)

    def _rules(self, id_: str, old: Inputs, new: Inputs) -> None:
        for side in ("ingress", "egress"):
            before = [_inline(one, id_) for one in old.get(side) or []]
            after = [_inline(one, id_) for one in new.get(side) or []]
            gone = [one for one in before if one not in after]
            come = [one for one in after if one not in before]
            call = self.account.ec2
            if gone:
                getattr(call, f"revoke_security_group_{side}")(GroupId=id_, IpPermissions=gone)
            if come:
                getattr(call, f"authorize_security_group_{side}")(
                    GroupId=id_, IpPermissions=come
                )

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = only(
            self.account.ec2.describe_security_groups(GroupIds=[id_])["SecurityGroups"]
        )
        seen = {
            "name": found["GroupName"],
            "description": found["Description"],
            "vpcId": found.get("VpcId"),
            "ownerId": found["OwnerId"],
            "arn": f"arn:aws:ec2:{self.account.region}:{found['OwnerId']}:security-group/{id_}",
            **self.seen_tags(found),
        }
        for side, theirs in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
            if known.get(side):
                there = [_outline(one) for one in found[theirs]]
                wanted = [_outline(_inline(one, id_)) for one in known[side]]
                if sorted(map(str, there)) != sorted(map(str, wanted)):
                    seen[side] = there
        return seen

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        self._rules(id_, old, new)
        self.retag(id_, old, new)

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.ec2.delete_security_group(GroupId=id_)


def _inline(rule: Inputs, own: str) -> dict[str, Any]:
    groups = [*(rule.get("securityGroups") or []), *([own] if rule.get("self") else [])]
    ports = {"FromPort": int(rule["fromPort"]), "ToPort": int(rule["toPort"])}
    return {
        "IpProtocol": str(rule["protocol"]),
        "IpRanges": [{"CidrIp": cidr} for cidr in rule.get("cidrBlocks") or []],
        "UserIdGroupPairs": [{"GroupId": group} for group in groups],
        **({} if str(rule["protocol"]) == "-1" else ports),
    }


def _outline(rule: Inputs) -> dict[str, Any]:
    return {
        "protocol": rule["IpProtocol"],
        "fromPort": rule.get("FromPort", 0),
        "toPort": rule.get("ToPort", 0),
        "cidrBlocks": [one["CidrIp"] for one in rule.get("IpRanges", [])],
        "securityGroups": [one["GroupId"] for one in rule.get("UserIdGroupPairs", [])],
    }


class IngressRule(Kind):
    """A rule of its own; what it allows can be changed in place, its group cannot."""

    replaces = ("securityGroupId",)
    required = ("securityGroupId", "ipProtocol")
    tag_type = "security-group-rule"
    side = "ingress"

    def create(self, inputs: Inputs, name: str) -> str:
        call = getattr(self.account.ec2, f"authorize_security_group_{self.side}")
        target: dict[str, Any] = {}
        text = chosen(inputs, Description="description")
        if inputs.get("cidrIpv4"):
            target["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **text}]
        if inputs.get("referencedSecurityGroupId"):
            group = inputs["referencedSecurityGroupId"]
            target["UserIdGroupPairs"] = [{"GroupId": group, **text}]
        made = call(
            GroupId=inputs["securityGroupId"],
            IpPermissions=[
                {
                    "IpProtocol": str(inputs["ipProtocol"]),
                    **{key: int(value) for key, value in _ports(inputs).items()},
                    **target,
                }
            ],
            TagSpecifications=self.labelled(inputs),
        )
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = only(
            self.account.ec2.describe_security_group_rules(SecurityGroupRuleIds=[id_])[
                "SecurityGroupRules"
            ]
        )
        ports = {
            "fromPort": found.get("FromPort"),
            "toPort": found.get("ToPort"),
        }
        return {
            "securityGroupId": found["GroupId"],
            "securityGroupRuleId": id_,
            "ipProtocol": found["IpProtocol"],
            "cidrIpv4": found.get("CidrIpv4"),
            # moto tells no description of a rule that names a group.
            "description": found.get("Description") or known.get("description"),
            "referencedSecurityGroupId": found.get("ReferencedGroupInfo", {}).get("GroupId"),
            **({} if found["IpProtocol"] == "-1" else ports),
            **self.seen_tags(found),
        }

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        if changed(old, new, "cidrIpv4", "description", "fromPort", "toPort", "ipProtocol"):
            rule = chosen(new, CidrIpv4="cidrIpv4", Description="description")
            group = chosen(new, ReferencedGroupId="referencedSecurityGroupId")
            ports = {key: int(value) for key, value in _ports(new).items()}
            self.account.ec2.modify_security_group_rules(
                GroupId=new["securityGroupId"],
                SecurityGroupRules=[
                    {
                        "SecurityGroupRuleId": id_,
                        "SecurityGroupRule": {
                            "IpProtocol": str(new["ipProtocol"]),
                            **ports,
                            **rule,
                            **group,
                        },
                    }
                ],
            )
        self.retag(id_, old, new)

    def delete(self, id_: str, known: Inputs) -> None:
        call = getattr(self.account.ec2, f"revoke_security_group_{self.side}")
        call(GroupId=known["securityGroupId"], SecurityGroupRuleIds=[id_])


class EgressRule(IngressRule):
    side = "egress"


def _ports(inputs: Inputs) -> dict[str, Any]:
    if str(inputs["ipProtocol"]) == "-1":
        return {}
    return chosen(inputs, FromPort="fromPort", ToPort="toPort")


KINDS = {
    "aws:ec2/securityGroup:SecurityGroup": SecurityGroup,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": IngressRule,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": EgressRule,
}
