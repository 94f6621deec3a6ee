"""Instances, as they are made, changed, described and ended."""

import base64
import time
from typing import Any

from botocore.exceptions import ClientError

from tests.doubles.aws.kind import Gone, Inputs, Kind, changed, chosen, only

_END_SECONDS = 120.0
_PROFILE_SECONDS = 30.0


class Instance(Kind):
    replaces = (
        "ami",
        "associatePublicIpAddress",
        "availabilityZone",
        "instanceMarketOptions",
        "keyName",
        "networkInterfaces",
        "privateIp",
        "rootBlockDevice.encrypted",
        "rootBlockDevice.kmsKeyId",
        "subnetId",
    )
    tag_type = "instance"

    def create(self, inputs: Inputs, name: str) -> str:
        made = self._run(self._wanted(inputs))["Instances"][0]["InstanceId"]
        self._await(made, "running")
        if inputs.get("sourceDestCheck") is False:
            self.account.ec2.modify_instance_attribute(
                InstanceId=made, SourceDestCheck={"Value": False}
            )
        return str(made)

    def _run(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Run it; a profile that was made just now may need a moment, as the real one does."""
        end = time.monotonic() + _PROFILE_SECONDS
        while True:
            try:
                made: dict[str, Any] = self.account.ec2.run_instances(**wanted)
            except ClientError as error:
                if "Invalid IAM Instance Profile" in str(error) and time.monotonic() < end:
                    time.sleep(1)
                    continue
                raise
            return made

    def _wanted(self, inputs: Inputs) -> dict[str, Any]:
        wanted = chosen(
            inputs,
            ImageId="ami",
            InstanceType="instanceType",
            KeyName="keyName",
            InstanceInitiatedShutdownBehavior="instanceInitiatedShutdownBehavior",
            EbsOptimized="ebsOptimized",
            DisableApiTermination="disableApiTermination",
        )
        if inputs.get("userData"):
            wanted["UserData"] = inputs["userData"]
        if inputs.get("userDataBase64"):
            wanted["UserData"] = base64.b64decode(inputs["userDataBase64"])
        if inputs.get("iamInstanceProfile"):
            wanted["IamInstanceProfile"] = {"Name": inputs["iamInstanceProfile"]}
        if inputs.get("metadataOptions"):
            wanted["MetadataOptions"] = _metadata(inputs["metadataOptions"])
        credits = inputs.get("creditSpecification")
        if credits:
            wanted["CreditSpecification"] = {"CpuCredits": credits["cpuCredits"]}
        market = inputs.get("instanceMarketOptions")
        if market:
            spot = market.get("spotOptions") or {}
            wanted["InstanceMarketOptions"] = {
                "MarketType": market.get("marketType", "spot"),
                "SpotOptions": chosen(
                    spot,
                    MaxPrice="maxPrice",
                    SpotInstanceType="spotInstanceType",
                    InstanceInterruptionBehavior="instanceInterruptionBehavior",
                ),
            }
        interface = {
            "DeviceIndex": 0,
            **chosen(
                inputs,
                SubnetId="subnetId",
                Groups="vpcSecurityGroupIds",
                PrivateIpAddress="privateIp",
                AssociatePublicIpAddress="associatePublicIpAddress",
            ),
        }
        device = inputs.get("rootBlockDevice")
        if device:
            ebs = chosen(
                device,
                VolumeType="volumeType",
                Encrypted="encrypted",
                DeleteOnTermination="deleteOnTermination",
            )
            size = {"VolumeSize": int(device["volumeSize"])} if device.get("volumeSize") else {}
            wanted["BlockDeviceMappings"] = [
                {"DeviceName": "/dev/sda1", "Ebs": {**ebs, **size}}
            ]
        volume = {**self.account.default_tags, **(inputs.get("volumeTags") or {})}
        if device and device.get("tags"):
            volume |= device["tags"]
        labels = self.labelled(inputs)
        if volume:
            tags = [{"Key": key, "Value": value} for key, value in volume.items()]
            labels.append({"ResourceType": "volume", "Tags": tags})
        return {
            **wanted,
            "MinCount": 1,
            "MaxCount": 1,
            "NetworkInterfaces": [interface],
            "TagSpecifications": labels,
        }

    def _found(self, id_: str) -> dict[str, Any]:
        found = self.account.ec2.describe_instances(InstanceIds=[id_])["Reservations"]
        one: dict[str, Any] = only(only(found)["Instances"])
        if one["State"]["Name"] == "terminated":
            raise Gone
        return one

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = self._found(id_)
        options = found.get("MetadataOptions") or {}
        card = found["NetworkInterfaces"][0]
        market = {"spot": {"marketType": "spot"}}.get(found.get("InstanceLifecycle", ""))
        profile = found.get("IamInstanceProfile", {}).get("Arn", "").rsplit("/", 1)[-1]
        region = self.account.region
        seen = {
            "ami": found["ImageId"],
            "arn": f"arn:aws:ec2:{region}:{self.account.owner}:instance/{id_}",
            "availabilityZone": found["Placement"]["AvailabilityZone"],
            "iamInstanceProfile": profile or None,
            "instanceLifecycle": found.get("InstanceLifecycle"),
            "instanceState": found["State"]["Name"],
            "instanceType": found["InstanceType"],
            "keyName": found.get("KeyName"),
            "metadataOptions": {
                "httpTokens": options.get("HttpTokens"),
                "httpEndpoint": options.get("HttpEndpoint"),
                "httpPutResponseHopLimit": options.get("HttpPutResponseHopLimit"),
            },
            "primaryNetworkInterfaceId": card["NetworkInterfaceId"],
            "privateDns": found.get("PrivateDnsName"),
            "privateIp": found.get("PrivateIpAddress"),
            "publicDns": found.get("PublicDnsName") or "",
            "publicIp": found.get("PublicIpAddress") or "",
            "subnetId": found.get("SubnetId"),
            "vpcSecurityGroupIds": sorted(one["GroupId"] for one in card["Groups"]),
            **self.seen_tags(found),
        }
        wanted = known.get("vpcSecurityGroupIds") or []
        if sorted(wanted) == seen["vpcSecurityGroupIds"]:
            seen["vpcSecurityGroupIds"] = list(wanted)
        own = known.get("metadataOptions")
        if own:
            seen["metadataOptions"] = {**own, **_kept(own, seen["metadataOptions"])}
        # What the program said of a spot instance stays, as long as it is one.
        if bool(market) != bool(known.get("instanceMarketOptions")):
            seen["instanceMarketOptions"] = market
        return seen

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        ec2 = self.account.ec2
        if changed(old, new, "instanceType", "userData", "userDataBase64"):
            ec2.stop_instances(InstanceIds=[id_])
            if changed(old, new, "instanceType"):
                value = {"Value": new["instanceType"]}
                ec2.modify_instance_attribute(InstanceId=id_, InstanceType=value)
            if changed(old, new, "userData", "userDataBase64"):
                text = self._wanted(new).get("UserData", "")
                data = text if isinstance(text, bytes) else text.encode()
                ec2.modify_instance_attribute(InstanceId=id_, UserData={"Value": data})
            ec2.start_instances(InstanceIds=[id_])
            self._await(id_, "running")
        if changed(old, new, "vpcSecurityGroupIds"):
            ec2.modify_instance_attribute(InstanceId=id_, Groups=new["vpcSecurityGroupIds"])
        if changed(old, new, "metadataOptions"):
            ec2.modify_instance_metadata_options(
                InstanceId=id_, **_metadata(new["metadataOptions"])
            )
        if changed(old, new, "instanceInitiatedShutdownBehavior"):
            value = {"Value": new["instanceInitiatedShutdownBehavior"]}
            ec2.modify_instance_attribute(
                InstanceId=id_, InstanceInitiatedShutdownBehavior=value
            )
        if changed(old, new, "iamInstanceProfile"):
            found = ec2.describe_iam_instance_profile_associations(
                Filters=[{"Name": "instance-id", "Values": [id_]}]
            )["IamInstanceProfileAssociations"]
            ec2.replace_iam_instance_profile_association(
                AssociationId=found[0]["AssociationId"],
                IamInstanceProfile={"Name": new["iamInstanceProfile"]},
            )
        self.retag(id_, old, new)

    def delete(self, id_: str, known: Inputs) -> None:
        self._found(id_)
        self.account.ec2.terminate_instances(InstanceIds=[id_])
        self._await(id_, "terminated")

    def _await(self, id_: str, wanted: str) -> None:
        end = time.monotonic() + _END_SECONDS
        while True:
            found = self.account.ec2.describe_instances(InstanceIds=[id_])["Reservations"]
            state = only(only(found)["Instances"])
            if state["State"]["Name"] == wanted:
                return
            if state["State"]["Name"] == "terminated":
                reason = state.get("StateReason", {}).get("Message") or "terminated"
                raise RuntimeError(
                    f"waiting for EC2 Instance ({id_}) create: unexpected state 'terminated', "
                    f"wanted target '{wanted}'. last error: {reason}"
                )
            if time.monotonic() > end:
                raise TimeoutError(f"waiting for EC2 Instance ({id_}): {state['State']}")
            time.sleep(0.3)


def _kept(own: Inputs, seen: Inputs) -> dict[str, Any]:
    return {name: seen[name] for name in own if seen.get(name) is not None}


def _metadata(options: Inputs) -> dict[str, Any]:
    made = chosen(
        options,
        HttpTokens="httpTokens",
        HttpEndpoint="httpEndpoint",
        InstanceMetadataTags="instanceMetadataTags",
    )
    if options.get("httpPutResponseHopLimit") is not None:
        made["HttpPutResponseHopLimit"] = int(options["httpPutResponseHopLimit"])
    return made


KINDS = {"aws:ec2/instance:Instance": Instance}
