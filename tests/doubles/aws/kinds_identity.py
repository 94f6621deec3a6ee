"""Who may do what: key pairs, roles with their policies, and instance profiles."""

import json
from typing import Any

from tests.doubles.aws.kind import Inputs, Kind, changed, chosen, only, pairs


class KeyPair(Kind):
    replaces = ("keyName", "keyNamePrefix", "publicKey")
    required = ("publicKey",)
    named = "keyName"
    tag_type = "key-pair"

    def create(self, inputs: Inputs, name: str) -> str:
        made = self.account.ec2.import_key_pair(
            KeyName=inputs["keyName"],
            PublicKeyMaterial=inputs["publicKey"].encode(),
            TagSpecifications=self.labelled(inputs),
        )
        return str(made["KeyName"])

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = only(self.account.ec2.describe_key_pairs(KeyNames=[id_])["KeyPairs"])
        return {
            "keyName": found["KeyName"],
            "keyPairId": found["KeyPairId"],
            "fingerprint": found["KeyFingerprint"],
            **self.seen_tags(found),
        }

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        found = only(self.account.ec2.describe_key_pairs(KeyNames=[id_])["KeyPairs"])
        self.retag(found["KeyPairId"], old, new)

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.ec2.delete_key_pair(KeyName=id_)


class Role(Kind):
    replaces = ("name", "namePrefix", "path")
    required = ("assumeRolePolicy",)
    named = "name"

    def create(self, inputs: Inputs, name: str) -> str:
        made = self.account.iam.create_role(
            RoleName=inputs["name"],
            AssumeRolePolicyDocument=_document(inputs["assumeRolePolicy"]),
            Tags=pairs(self.tags(inputs)),
            **chosen(inputs, Path="path", Description="description"),
        )
        return str(made["Role"]["RoleName"])

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = self.account.iam.get_role(RoleName=id_)["Role"]
        return {
            "name": id_,
            "arn": found["Arn"],
            "path": found["Path"],
            "uniqueId": found["RoleId"],
            "assumeRolePolicy": _same(
                found["AssumeRolePolicyDocument"], known.get("assumeRolePolicy")
            ),
            **self.seen_tags(found),
        }

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        iam = self.account.iam
        if changed(old, new, "assumeRolePolicy"):
            document = _document(new["assumeRolePolicy"])
            iam.update_assume_role_policy(RoleName=id_, PolicyDocument=document)
        before, after = self.tags(old), self.tags(new)
        surplus = [key for key in before if key not in after]
        if surplus:
            iam.untag_role(RoleName=id_, TagKeys=surplus)
        if after != before:
            iam.tag_role(RoleName=id_, Tags=pairs(after))

    def delete(self, id_: str, known: Inputs) -> None:
        iam = self.account.iam
        if known.get("forceDetachPolicies"):
            for one in iam.list_attached_role_policies(RoleName=id_)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=id_, PolicyArn=one["PolicyArn"])
        iam.delete_role(RoleName=id_)


class RolePolicy(Kind):
    replaces = ("name", "namePrefix", "role")
    required = ("role", "policy")
    named = "name"

    def create(self, inputs: Inputs, name: str) -> str:
        self.account.iam.put_role_policy(
            RoleName=inputs["role"],
            PolicyName=inputs["name"],
            PolicyDocument=_document(inputs["policy"]),
        )
        return f"{inputs['role']}:{inputs['name']}"

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        role, _, name = id_.partition(":")
        found = self.account.iam.get_role_policy(RoleName=role, PolicyName=name)
        policy = _same(found["PolicyDocument"], known.get("policy"))
        return {"role": role, "name": name, "policy": policy}

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        self.create(new, "")

    def delete(self, id_: str, known: Inputs) -> None:
        role, _, name = id_.partition(":")
        self.account.iam.delete_role_policy(RoleName=role, PolicyName=name)


class InstanceProfile(Kind):
    replaces = ("name", "namePrefix", "path")
    named = "name"

    def create(self, inputs: Inputs, name: str) -> str:
        iam = self.account.iam
        tags = pairs(self.tags(inputs))
        iam.create_instance_profile(InstanceProfileName=inputs["name"], Tags=tags)
        self.update(inputs["name"], {}, inputs)
        return str(inputs["name"])

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = self.account.iam.get_instance_profile(InstanceProfileName=id_)
        profile = found["InstanceProfile"]
        roles = [one["RoleName"] for one in profile["Roles"]]
        return {
            "name": id_,
            "arn": profile["Arn"],
            "role": roles[0] if roles else None,
            "uniqueId": profile["InstanceProfileId"],
            **self.seen_tags(profile),
        }

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        iam = self.account.iam
        if changed(old, new, "role"):
            if old.get("role"):
                iam.remove_role_from_instance_profile(
                    InstanceProfileName=id_, RoleName=old["role"]
                )
            iam.add_role_to_instance_profile(InstanceProfileName=id_, RoleName=new["role"])

    def delete(self, id_: str, known: Inputs) -> None:
        iam = self.account.iam
        found = iam.get_instance_profile(InstanceProfileName=id_)["InstanceProfile"]
        for one in found["Roles"]:
            iam.remove_role_from_instance_profile(
                InstanceProfileName=id_, RoleName=one["RoleName"]
            )
        iam.delete_instance_profile(InstanceProfileName=id_)


def _document(policy: Any) -> str:
    return policy if isinstance(policy, str) else json.dumps(policy)


def _same(found: Any, known: Any) -> str:
    """Return the program's own spelling of a policy where it means what is there."""
    try:
        if json.loads(_document(known)) == found:
            return _document(known)
    except (TypeError, ValueError):
        pass
    return json.dumps(found)


KINDS = {
    "aws:ec2/keyPair:KeyPair": KeyPair,
    "aws:iam/role:Role": Role,
    "aws:iam/rolePolicy:RolePolicy": RolePolicy,
    "aws:iam/instanceProfile:InstanceProfile": InstanceProfile,
}
