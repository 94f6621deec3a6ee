"""What EC2 is asked for when a machine is bought without Pulumi's own resource."""

import base64
from typing import Any


def launch_request(props: dict[str, Any], market: str) -> dict[str, Any]:
    """Return what RunInstances is asked for; the same as Pulumi's own resource would ask."""
    request: dict[str, Any] = {
        "MinCount": 1,
        "MaxCount": 1,
        "ImageId": props["ami"],
        "InstanceType": props["instance_type"],
        "KeyName": props["key_name"],
        "IamInstanceProfile": {"Name": props["iam_instance_profile"]},
        # The SDK encodes it itself.
        "UserData": base64.b64decode(props["user_data_base64"]),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        },
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": props["subnet_id"],
                "Groups": list(props["vpc_security_group_ids"]),
                "AssociatePublicIpAddress": True,
                "DeleteOnTermination": True,
            }
        ],
        "BlockDeviceMappings": [
            {
                "DeviceName": props["root_device"],
                "Ebs": {
                    "VolumeType": "gp3",
                    "VolumeSize": int(props["disk_gib"]),
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": tags(props)} for kind in ("instance", "volume")
        ],
    }
    if market == "spot":
        options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        if props.get("max_price"):
            options["MaxPrice"] = props["max_price"]
        request["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
    return request


def tags(props: dict[str, Any]) -> list[dict[str, str]]:
    """Return the tags of a resource's inputs as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in sorted(props["tags"].items())]
