"""What the machines of a stack on AWS may do and who may reach them, tried on containers.

A container on the machines' own network, which is no member of their group, is the stranger.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from contracts import ports
from contracts.ports import Audience
from tests.doubles.aws.account import cloud
from tests.doubles.aws.machine_labels import LABEL
from tests.doubles.aws.moto_cloud import BAKED
from tests.inside import run_inside
from tests.integration import aws_clusters
from tests.integration.aws_clusters import container_of, inside
from tests.integration.aws_probes import ASK, LISTEN, TRY, a_container_within, await_end
from tests.integration.local_clusters import docker_client, ssh

pytestmark = [pytest.mark.long, pytest.mark.containers, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def running(machine_account, warm, tmp_path_factory):
    """Two machines, made by the program itself."""
    folder = tmp_path_factory.mktemp("machines")
    cluster = aws_clusters.new_cluster(folder, machine_account)
    stack = aws_clusters.double_of(cluster, folder, warm)
    stack.settings["nodes"] = 2
    with aws_clusters.destroyed_at_the_end(stack):
        made = stack.up()
        assert made.succeeded, made.told()
        for node in cluster.inventory().nodes:
            await_ssh(cluster, node)
        yield cluster
        gone = stack.destroy()
        assert gone.succeeded, gone.told()
        assert cluster.left() == []


def log_in(cluster, node):
    key = cluster.state / "machines" / cluster.name / "id_ed25519"
    return ssh(node, key, "true", user="ubuntu")


def await_ssh(cluster, node, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            return log_in(cluster, node)
        except OSError:
            assert time.monotonic() < end, f"{node.ssh_host} does not answer"
            time.sleep(0.3)


@pytest.fixture
def containers(running):
    with docker_client() as client:
        yield [container_of(client, one.instance_id) for one in running.inventory().nodes]


@pytest.fixture
def stranger(running, containers):
    (network,) = containers[0].attrs["NetworkSettings"]["Networks"]
    with docker_client() as client:
        made = client.containers.run(
            containers[0].attrs["Image"],
            ["sleep", "600"],
            network=network,
            labels={LABEL: str(running.account.process_id)},
            detach=True,
        )
        yield made
        made.remove(force=True)


def every_port():
    return sorted({str(port) for one in ports.PORTS for port in (one.first, one.last)})


def reached(container, address, wanted):
    code, out = inside(container, TRY, address, *wanted, user="root")
    assert code == 0, out
    return {int(port) for port, there in json.loads(out).items() if there}


def test_a_stranger_is_refused_on_every_port_and_members_are_not(running, containers, stranger):
    head, worker = containers
    engine = [port for port in every_port() if port != "22"]
    run_inside(head, "python3", "-c", LISTEN, *engine, detach=True)
    address = running.inventory().head.private_ip
    members = {
        port for one in ports.open_to(Audience.MEMBERS) for port in (one.first, one.last)
    }
    end = time.monotonic() + 60
    while (found := reached(worker, address, engine)) != members:
        assert time.monotonic() < end, f"members reach {sorted(found)}"
    assert reached(head, address, engine) == {int(port) for port in engine}
    assert reached(stranger, address, every_port()) == set()


def test_ssh_follows_the_operators_address(running):
    head, ec2 = running.inventory().head, running.account.client("ec2")
    (rule,) = ec2.describe_security_group_rules(
        Filters=[{"Name": "tag:tandem:rule", "Values": ["ssh"]}]
    )["SecurityGroupRules"]

    def allow(network):
        wanted = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": network}
        one = {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": wanted}
        ec2.modify_security_group_rules(GroupId=rule["GroupId"], SecurityGroupRules=[one])

    allow("198.51.100.9/32")
    with pytest.raises(OSError, match="timed out"):
        log_in(running, head)
    allow(f"{running.operator_address}/32")
    await_ssh(running, head)


def test_metadata_want_a_token_and_give_the_roles_credentials(running, containers):
    code, out = inside(containers[0], ASK)
    assert code == 0, out
    without, made_up, instance, credentials = out.splitlines()
    assert (without, made_up) == ("401", "401")
    assert instance == running.inventory().head.instance_id
    given = json.loads(credentials)
    assert given["Code"] == "Success"
    assert given["AccessKeyId"] != running.account.environment["AWS_ACCESS_KEY_ID"]


def test_a_container_on_a_machine_gets_no_token(running, containers):
    """The hop limit of 1: an answer does not get past the machine; with 2 it would."""
    head, ec2 = running.inventory().head, running.account.client("ec2")
    ask = [sys.executable, "-c", ASK]
    with a_container_within(containers[0]) as behind:
        done = subprocess.run([*behind, *ask], capture_output=True, text=True, timeout=60)
        assert "timed out" in done.stderr, done.stdout
        for limit, code in ((2, 0), (1, 1)):
            ec2.modify_instance_metadata_options(
                InstanceId=head.instance_id, HttpPutResponseHopLimit=limit
            )
            done = subprocess.run([*behind, *ask], capture_output=True, text=True, timeout=60)
            assert done.returncode == code, (limit, done.stdout, done.stderr)


def test_the_role_opens_the_one_bucket_and_nothing_else(running, containers):
    """With the credentials that a machine gets; nothing else on it is any."""
    _, out = inside(containers[1], ASK)
    given = json.loads(out.splitlines()[-1])
    role = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["Token"],
    }
    bucket = running.inventory().bucket
    s3 = running.account.client("s3", **role)
    s3.put_object(Bucket=bucket, Key="results/one", Body=b"one")
    assert s3.get_object(Bucket=bucket, Key="results/one")["Body"].read() == b"one"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    s3.delete_object(Bucket=bucket, Key="results/one")

    own = running.account.client("s3")
    place = {"LocationConstraint": running.inventory().region}
    own.create_bucket(Bucket=f"{running.name}-other", CreateBucketConfiguration=place)
    ec2, iam = (running.account.client(name, **role) for name in ("ec2", "iam"))
    instance = running.inventory().head.instance_id
    for denied in (
        lambda: s3.put_object(Bucket=f"{running.name}-other", Key="x", Body=b"x"),
        lambda: s3.list_objects_v2(Bucket=f"{running.name}-other"),
        lambda: s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        ),
        lambda: s3.delete_bucket(Bucket=bucket),
        lambda: s3.list_buckets(),
        lambda: ec2.terminate_instances(InstanceIds=[instance]),
        lambda: ec2.describe_instances(),
        lambda: iam.list_roles(),
    ):
        with pytest.raises(Exception, match=r"AccessDenied|UnauthorizedOperation"):
            denied()
    own.delete_bucket(Bucket=f"{running.name}-other")
    found = run_inside(containers[1], "sh", "-c", "env; cat /home/*/.aws/* /root/.aws/*")
    assert "AKIA" not in found.output
    assert "aws_secret" not in found.output.lower()


@pytest.fixture
def spare(running):
    """One more machine, started as the head was, for a test to end: (id, container)."""
    ec2 = running.account.client("ec2")
    (head,) = [
        one
        for one in running.instances()
        if one["InstanceId"] == running.inventory().head.instance_id
    ]
    given = ec2.describe_instance_attribute(InstanceId=head["InstanceId"], Attribute="userData")
    made = ec2.run_instances(
        ImageId=head["ImageId"],
        InstanceType=head["InstanceType"],
        MinCount=1,
        MaxCount=1,
        SubnetId=head["SubnetId"],
        UserData=base64.b64decode(given["UserData"]["Value"]),
        InstanceInitiatedShutdownBehavior="terminate",
    )["Instances"][0]["InstanceId"]
    with docker_client() as client:
        yield made, container_of(client, made)
    ec2.terminate_instances(InstanceIds=[made])


def test_a_machine_that_shuts_itself_down_is_terminated(running, spare):
    instance, container = spare
    run_inside(container, "sh", "-c", "kill -TERM 1", detach=True)
    machine = await_end(running, instance)
    assert "InstanceInitiatedShutdown" in machine["StateReason"]["Code"]
    with docker_client() as client:
        assert client.containers.list(all=True, filters={"id": container.id}) == []


def routes():
    words = ["ip", "route", "show", "type", "unreachable"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_a_cloud_that_was_killed_leaves_nothing_behind_for_long(engine, tmp_path):
    """Neither container nor network: the next cloud removes what a dead one made."""
    with cloud(tmp_path / "first", machines=True) as first:
        ec2 = first.client("ec2")
        network = aws_clusters.new_cluster(tmp_path, first).network
        vpc = ec2.create_vpc(CidrBlock=network)["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=network)["Subnet"]["SubnetId"]
        ec2.run_instances(
            ImageId=BAKED,
            InstanceType="t3.medium",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
        )
        filters = {"label": f"{LABEL}={first.process_id}"}
        with docker_client() as client:
            assert len(client.containers.list(filters=filters)) == 1
        os.kill(first.process_id, signal.SIGKILL)
    assert f"metric {first.process_id}" in routes()
    with cloud(tmp_path / "second", machines=True), docker_client() as client:
        assert f"metric {first.process_id}" not in routes()
        assert client.containers.list(all=True, filters=filters) == []
        assert client.networks.list(filters=filters) == []
