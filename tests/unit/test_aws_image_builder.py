"""The builder of an image, and which image of those there are fits a machine."""

import boto3
import pytest

from cost.account import Account
from cost.audit import audit
from infra import aws_image, ubuntu
from tests.doubles.aws_cluster import CLUSTER, make_cluster

pytestmark = pytest.mark.slow

REGION = "eu-north-1"


@pytest.fixture(autouse=True)
def _known_ubuntu(monkeypatch):
    """The images that moto has by itself have older names."""
    monkeypatch.setattr(ubuntu, "NAME", "ubuntu/images/hvm-ssd/ubuntu-*-{}-server-*")


def silent(event):
    pass


def test_an_image_with_the_environment_is_found_again(aws):
    ec2 = boto3.client("ec2")
    model = make_cluster(REGION)["machines"][0]
    builder = aws_image.make_builder(ec2, model, None, silent)
    architecture = aws_image.architecture_of(ec2, builder.instance_id)
    assert aws_image.existing(ec2, "abc", architecture) is None
    tags = {aws_image.IMAGE_TAG: "abc"}
    image = aws_image.take(ec2, builder.instance_id, "tandem-abc", tags, silent)
    aws_image.end(ec2, builder.instance_id)
    assert aws_image.existing(ec2, "abc", architecture) == image
    other = "arm64" if architecture == "x86_64" else "x86_64"
    assert aws_image.existing(ec2, "abc", other) is None, "no machine of that kind boots it"
    kinds = {one.id for one in audit(Account(), [REGION], CLUSTER).found}
    assert builder.instance_id not in kinds


def test_a_builder_starts_from_ubuntu_on_an_encrypted_disk_of_the_machines_size(aws):
    ec2 = boto3.client("ec2")
    cluster = make_cluster(REGION)
    (model,) = (
        one
        for found in ec2.describe_instances(InstanceIds=cluster["machines"][:1])["Reservations"]
        for one in found["Instances"]
    )
    kept = model["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    ec2.modify_volume(VolumeId=kept, Size=37)
    own = ec2.create_image(InstanceId=model["InstanceId"], Name="baked before")["ImageId"]
    like = ec2.run_instances(
        ImageId=own,
        InstanceType="t3.medium",
        MinCount=1,
        MaxCount=1,
        SubnetId=cluster["subnet"],
        SecurityGroupIds=[cluster["group"]],
        BlockDeviceMappings=[
            {"DeviceName": model["RootDeviceName"], "Ebs": {"VolumeSize": 37}}
        ],
    )["Instances"][0]["InstanceId"]
    made = aws_image.make_builder(ec2, like, None, silent).instance_id
    (builder,) = ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"]
    (image,) = ec2.describe_images(ImageIds=[builder["ImageId"]])["Images"]
    assert image["OwnerId"] == ubuntu.MAKER
    (disk,) = builder["BlockDeviceMappings"]
    (volume,) = ec2.describe_volumes(VolumeIds=[disk["Ebs"]["VolumeId"]])["Volumes"]
    assert disk["DeviceName"] == image["RootDeviceName"]
    assert (volume["Size"], volume["Encrypted"], volume["VolumeType"]) == (37, True, "gp3")
