"""The pieces of a cluster in an account, made by plain calls, for tests of what finds them."""

import json
from typing import Any

import boto3

CLUSTER = "lab"


def tags(kind: str, cluster: str = CLUSTER) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": plain_tags(cluster)}]


def plain_tags(cluster: str = CLUSTER) -> list[dict[str, str]]:
    return [
        {"Key": "tandem:cluster", "Value": cluster},
        {"Key": "tandem:owner", "Value": "ada"},
        {"Key": "tandem:expires-at", "Value": "2026-11-21T18:00:00+00:00"},
    ]


def make_network(ec2: Any, cluster: str = CLUSTER) -> dict[str, str]:
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=tags("vpc", cluster))
    vpc_id = vpc["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(
        VpcId=vpc_id, CidrBlock="10.20.1.0/24", TagSpecifications=tags("subnet", cluster)
    )["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway", cluster))[
        "InternetGateway"
    ]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    table = ec2.create_route_table(
        VpcId=vpc_id, TagSpecifications=tags("route-table", cluster)
    )["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    group = ec2.create_security_group(
        GroupName=f"tandem-{cluster}",
        Description="members",
        VpcId=vpc_id,
        TagSpecifications=tags("security-group", cluster),
    )["GroupId"]
    member = {
        "IpProtocol": "tcp",
        "FromPort": 6379,
        "ToPort": 6379,
        "UserIdGroupPairs": [{"GroupId": group}],
    }
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[member])
    return {"vpc": vpc_id, "subnet": subnet, "group": group}


def make_machines(
    ec2: Any, network: dict[str, str], count: int, cluster: str = CLUSTER
) -> list[str]:
    image = ec2.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
    made = ec2.run_instances(
        ImageId=image,
        InstanceType="t3.medium",
        MinCount=count,
        MaxCount=count,
        SubnetId=network["subnet"],
        SecurityGroupIds=[network["group"]],
        TagSpecifications=[*tags("instance", cluster), *tags("volume", cluster)],
    )
    return [one["InstanceId"] for one in made["Instances"]]


def make_cluster(region: str, cluster: str = CLUSTER) -> dict[str, Any]:
    """Make one of everything that a stack makes, and an address and a loose volume besides."""
    ec2 = boto3.client("ec2", region_name=region)
    network = make_network(ec2, cluster)
    machines = make_machines(ec2, network, 2, cluster)
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tags("elastic-ip", cluster))
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=machines[0])
    volume = ec2.create_volume(
        Size=20,
        AvailabilityZone=f"{region}a",
        VolumeType="gp3",
        TagSpecifications=tags("volume", cluster),
    )["VolumeId"]
    ec2.create_key_pair(
        KeyName=f"tandem-{cluster}", TagSpecifications=tags("key-pair", cluster)
    )
    bucket = make_bucket(region, cluster)
    make_role(cluster)
    return {
        **network,
        "machines": machines,
        "address": address["AllocationId"],
        "volume": volume,
        "bucket": bucket,
    }


def make_bucket(region: str, cluster: str = CLUSTER) -> str:
    s3, name = boto3.client("s3", region_name=region), f"tandem-{cluster}-{region}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": plain_tags(cluster)})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for text in (b"one", b"two"):
        s3.put_object(Bucket=name, Key="results/journal.jsonl", Body=text)
    s3.delete_object(Bucket=name, Key="results/journal.jsonl")
    s3.put_object(Bucket=name, Key="logs/node-1.tar.gz", Body=b"x" * 1024)
    return name


def make_role(cluster: str = CLUSTER) -> None:
    iam = boto3.client("iam", region_name="us-east-1")
    name = f"tandem-{cluster}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}", Tags=plain_tags(cluster))
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=name, PolicyName="bucket", PolicyDocument=policy)
    iam.create_instance_profile(InstanceProfileName=name, Tags=plain_tags(cluster))
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
