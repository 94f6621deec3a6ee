"""The stack on AWS from preview to destroy, each step checked by asking the cloud itself.

Every test runs by the double of Pulumi's engine, and by the real program where it is on PATH.
"""

import pytest

pytestmark = pytest.mark.timeout(900)


def names(outcome, *kinds):
    return {name for kind, name in outcome.changes() if kind in kinds}


def rules(cluster, group, egress=False):
    found = cluster.account.client("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )["SecurityGroupRules"]
    return [one for one in found if one["IsEgress"] is egress]


def test_a_cluster_lives_from_preview_to_destroy(aws_stack, aws_cluster):
    cluster, ec2 = aws_cluster, aws_cluster.account.client("ec2")
    planned = aws_stack.preview()
    assert planned.succeeded, planned.told()
    assert {"vpc", "bucket", "node-1", "inventory"} <= names(planned, "create")
    assert cluster.left() == []

    made = aws_stack.up()
    assert made.succeeded, made.told()
    assert names(made, "create") == names(planned, "create")
    inventory = cluster.inventory()
    assert made.outputs["bucket"] == inventory.bucket
    (machine,) = cluster.instances()
    (node,) = inventory.nodes
    assert node.instance_id == machine["InstanceId"]
    assert node.private_ip == machine["PrivateIpAddress"]
    assert node.public_ip == machine["PublicIpAddress"]
    check_machine(cluster, machine)
    check_rules(cluster, machine["NetworkInterfaces"][0]["Groups"][0]["GroupId"])
    check_bucket(cluster, inventory.bucket)

    again = aws_stack.up()
    assert (again.succeeded, again.changes()) == (True, []), again.told()

    aws_stack.settings.update({"nodes": 2, "operator-cidrs": "198.51.100.9/32"})
    grown = aws_stack.up()
    assert grown.succeeded, grown.told()
    assert names(grown, "update") == {"operator-ssh-1", "inventory", "no-strays"}
    assert names(grown, "create") == {"node-2", "node-2-first-host-key"}
    assert names(grown, "delete") == set()
    assert {one["InstanceId"] for one in cluster.instances()} > {machine["InstanceId"]}
    (ssh,) = [
        one for one in rules(cluster, made.outputs["security_group_id"]) if "CidrIpv4" in one
    ]
    assert ssh["CidrIpv4"] == "198.51.100.9/32"

    gone = aws_stack.destroy()
    assert gone.succeeded, gone.told()
    assert cluster.left() == []
    assert not (cluster.state / "inventory.json").exists()
    assert [one for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]] == []
    assert ec2.describe_volumes()["Volumes"] == []


def check_machine(cluster, machine):
    options = machine["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
    assert machine["IamInstanceProfile"]["Arn"].rsplit("/")[-1].startswith("tandem-")
    tags = {one["Key"]: one["Value"] for one in machine["Tags"]}
    assert tags["tandem:cluster"] == cluster.name
    assert (tags["tandem:owner"], tags["tandem:expires-at"] > "2") == ("tests", True)
    ec2 = cluster.account.client("ec2")
    wish = ec2.describe_instance_attribute(
        InstanceId=machine["InstanceId"], Attribute="instanceInitiatedShutdownBehavior"
    )
    assert wish["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    (volume,) = ec2.describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [machine["InstanceId"]]}]
    )["Volumes"]
    assert (volume["Encrypted"], volume["VolumeType"]) == (True, "gp3")


def check_rules(cluster, group):
    from_the_world = [one for one in rules(cluster, group) if "CidrIpv4" in one]
    assert [(one["FromPort"], one["ToPort"]) for one in from_the_world] == [(22, 22)]
    assert from_the_world[0]["CidrIpv4"] == f"{cluster.operator_address}/32"
    members = {
        one["FromPort"]: one["ReferencedGroupInfo"]["GroupId"]
        for one in rules(cluster, group)
        if "ReferencedGroupInfo" in one
    }
    assert {6379, 8786, 20000, 21000} <= set(members)
    assert set(members.values()) == {group}


def check_bucket(cluster, bucket):
    s3 = cluster.account.client("s3")
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(block.values())
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    assert encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]


def test_a_machine_of_another_type_is_changed_and_of_another_image_made_anew(
    aws_stack, aws_cluster
):
    aws_stack.up()
    (first,) = aws_cluster.instances()
    aws_stack.settings["head-type"] = "t3.large"
    changed = aws_stack.up()
    assert changed.succeeded, changed.told()
    assert names(changed, "update") == {"node-1", "inventory"}
    (second,) = aws_cluster.instances()
    assert (second["InstanceId"], second["InstanceType"]) == (first["InstanceId"], "t3.large")

    del aws_stack.settings["image"]
    # What is no longer named is looked up, and what was looked up stays.
    planned = aws_stack.preview()
    assert planned.succeeded, planned.told()
    assert "node-1" not in names(planned, "create", "delete")
    aws_stack.settings["image"] = "ami-0d0b1e0000000001"
    planned = aws_stack.preview()
    assert planned.succeeded, planned.told()
    assert names(planned, "create") == {"node-1"}
    anew = aws_stack.up()
    assert anew.succeeded, anew.told()
    assert names(anew, "create", "delete") == {"node-1"}
    (third,) = aws_cluster.instances()
    assert third["ImageId"] == "ami-0d0b1e0000000001"
    assert aws_cluster.inventory().nodes[0].instance_id == third["InstanceId"]


def test_drift_is_seen_by_refresh_and_mended_by_up(aws_stack, aws_cluster):
    made = aws_stack.up()
    assert made.succeeded, made.told()
    (lost,) = aws_cluster.instances()
    ec2, s3 = aws_cluster.account.client("ec2"), aws_cluster.account.client("s3")
    assert aws_stack.refresh().changes() == []

    ec2.terminate_instances(InstanceIds=[lost["InstanceId"]])
    group = made.outputs["security_group_id"]
    (ssh,) = [one for one in rules(aws_cluster, group) if "CidrIpv4" in one]
    opened = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"}
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[
            {"SecurityGroupRuleId": ssh["SecurityGroupRuleId"], "SecurityGroupRule": opened}
        ],
    )
    s3.put_public_access_block(
        Bucket=made.outputs["bucket"],
        PublicAccessBlockConfiguration={"BlockPublicAcls": False},
    )
    seen = aws_stack.refresh()
    assert names(seen, "delete") == {"node-1"}
    assert names(seen, "update") == {"operator-ssh-1", "bucket-private"}

    mended = aws_stack.up()
    assert mended.succeeded, mended.told()
    assert names(mended, "create") == {"node-1"}
    assert {"operator-ssh-1", "bucket-private"} <= names(mended, "update")
    check_rules(aws_cluster, group)
    check_bucket(aws_cluster, made.outputs["bucket"])
    (machine,) = aws_cluster.instances()
    assert aws_cluster.inventory().nodes[0].instance_id == machine["InstanceId"]
    assert aws_stack.refresh().changes() == []


def test_a_bucket_with_objects_stops_a_destroy_unless_that_was_asked_for(
    aws_stack, aws_cluster
):
    aws_stack.settings["purge-bucket"] = "false"
    bucket = aws_stack.up().outputs["bucket"]
    s3 = aws_cluster.account.client("s3")
    for text in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="results/journal.jsonl", Body=text)
    refused = aws_stack.destroy()
    assert not refused.succeeded
    assert "BucketNotEmpty" in refused.told()
    assert s3.get_object(Bucket=bucket, Key="results/journal.jsonl")["Body"].read() == b"two"
    assert aws_cluster.instances() == [], "what costs is gone all the same"

    aws_stack.settings["purge-bucket"] = "true"
    asked = aws_stack.up()
    assert asked.succeeded, asked.told()
    assert aws_stack.destroy().succeeded
    assert aws_cluster.left() == []


def test_a_stopped_destroy_goes_on_without_buying_machines_again(aws_stack, aws_cluster):
    aws_stack.settings["purge-bucket"] = "false"
    bucket = aws_stack.up().outputs["bucket"]
    s3 = aws_cluster.account.client("s3")
    for text in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="results/journal.jsonl", Body=text)
    assert not aws_stack.destroy().succeeded
    ever = len(aws_cluster.instances("terminated"))
    remove = ("cost.audit", "--cluster", aws_cluster.name, "--delete", "--in-use")
    removed = aws_cluster.fab(*remove)
    assert removed.code == 0, removed.out + removed.err
    gone = aws_stack.destroy()
    assert gone.succeeded, gone.told()
    assert aws_cluster.left() == []
    assert len(aws_cluster.instances("terminated")) == ever


def test_no_other_endpoint_is_ever_spoken_to(aws_stack, aws_cluster):
    aws_stack.use({"AWS_ENDPOINT_URL": "https://ec2.eu-north-1.amazonaws.com"})
    refused = aws_stack.up()
    assert not refused.succeeded
    assert "loopback only" in refused.told()
    aws_stack.use(aws_cluster.environment)
    assert aws_cluster.left() == []
