"""What EC2 is asked for when a machine is bought without Pulumi's own resource."""

import base64
from typing import Any


def launch_request(props: dict[str, Any], market: str) -> dict[str, Any]:
    """Return what RunInstances is asked for; the same as Pulumi's own resource would ask.

    Metadata service, disk and shutdown are inputs, so that a policy sees what is asked for.
    """
    options, disk = props["metadata_options"], props["root_block_device"]
    request: dict[str, Any] = {
        "MinCount": 1,
        "MaxCount": 1,
        "ImageId": props["ami"],
        "InstanceType": props["instance_type"],
        "KeyName": props["key_name"],
        "IamInstanceProfile": {"Name": props["iam_instance_profile"]},
        # The SDK encodes it itself.
        "UserData": base64.b64decode(props["user_data_base64"]),
        "InstanceInitiatedShutdownBehavior": props["instance_initiated_shutdown_behavior"],
        "MetadataOptions": {
            "HttpEndpoint": options["http_endpoint"],
            "HttpTokens": options["http_tokens"],
            "HttpPutResponseHopLimit": int(options["http_put_response_hop_limit"]),
        },
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": props["subnet_id"],
                "Groups": list(props["vpc_security_group_ids"]),
                "AssociatePublicIpAddress": props["associate_public_ip_address"],
                "DeleteOnTermination": True,
            }
        ],
        "BlockDeviceMappings": [
            {
                "DeviceName": props["root_device"],
                "Ebs": {
                    "VolumeType": disk["volume_type"],
                    "VolumeSize": int(disk["volume_size"]),
                    "Encrypted": disk["encrypted"],
                    "DeleteOnTermination": disk["delete_on_termination"],
                },
            }
        ],
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": tags(props)} for kind in ("instance", "volume")
        ],
    }
    if props.get("credit_specification"):
        credits = props["credit_specification"]["cpu_credits"]
        request["CreditSpecification"] = {"CpuCredits": credits}
    if market == "spot":
        spot = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        if props.get("max_price"):
            spot["MaxPrice"] = props["max_price"]
        request["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": spot}
    return request


def tags(props: dict[str, Any]) -> list[dict[str, str]]:
    """Return the tags of a resource's inputs as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in sorted(props["tags"].items())]
