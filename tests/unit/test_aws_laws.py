"""What the double of EC2 refuses although moto would allow it."""

import boto3
import pytest

from tests.doubles.aws import laws

pytestmark = pytest.mark.slow

REGION = "eu-north-1"


def machine(**more):
    ec2 = boto3.client("ec2", REGION)
    image = ec2.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
    made = ec2.run_instances(
        ImageId=image, InstanceType="t3.large", MinCount=1, MaxCount=1, **more
    )
    return made["Instances"][0]["InstanceId"]


def test_a_spot_machine_is_not_stopped_and_another_one_is(mocked_aws):
    spot, plain = machine(InstanceMarketOptions={"MarketType": "spot"}), machine()
    code, words = laws.forbid(REGION, "StopInstances", {"InstanceId.1": spot})
    assert (code, spot in words) == ("UnsupportedOperation", True)
    assert laws.forbid(REGION, "StopInstances", {"InstanceId.1": plain}) is None


@pytest.mark.parametrize(("kind", "refused"), [("t3.large", False), ("m7i.large", True)])
def test_credits_are_for_burstable_types(kind, refused):
    asked = {"InstanceType": kind, "CreditSpecification.CpuCredits": "standard"}
    assert (laws.forbid(REGION, "RunInstances", asked) is not None) is refused
    assert laws.forbid(REGION, "RunInstances", {"InstanceType": kind}) is None
