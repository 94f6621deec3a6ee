"""What the machines of a stack on AWS may do and who may reach them, tried on containers.

A container on the machines' own network, which is no member of their group, is the stranger.
"""

import json
import os
import signal
import time

import pytest

from contracts import ports
from contracts.ports import Audience
from tests.doubles.aws.account import cloud
from tests.doubles.aws.machine_labels import LABEL
from tests.doubles.aws.moto_cloud import BAKED
from tests.integration import aws_clusters
from tests.integration.aws_clusters import container_of, inside
from tests.integration.local_clusters import docker_client, ssh

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

LISTEN = """
import select, socket, sys
held = [socket.create_server(("", int(port))) for port in sys.argv[1:]]
print("listening", flush=True)
while True:
    for one in select.select(held, [], [])[0]:
        one.accept()[0].close()
"""
TRY = """
import concurrent.futures, json, socket, sys
def reach(port):
    try:
        socket.create_connection((sys.argv[1], int(port)), 3).close()
    except OSError:
        return False
    return True
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    print(json.dumps(dict(zip(sys.argv[2:], pool.map(reach, sys.argv[2:])))))
"""
ASK = """
import sys, urllib.error, urllib.request
def ask(path, headers, method="GET"):
    request = urllib.request.Request(
        "http://169.254.169.254/latest/" + path, headers=headers, method=method)
    try:
        return urllib.request.urlopen(request, timeout=5).read().decode()
    except urllib.error.HTTPError as error:
        return str(error.code)
print(ask("meta-data/instance-id", {}))
print(ask("meta-data/instance-id", {"X-aws-ec2-metadata-token": "made up"}))
token = ask("api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")
known = {"X-aws-ec2-metadata-token": token}
print(ask("meta-data/instance-id", known))
role = ask("meta-data/iam/security-credentials/", known)
print(ask("meta-data/iam/security-credentials/" + role, known).replace("\\n", " "))
"""


@pytest.fixture(scope="module")
def running(machine_account, tmp_path_factory):
    """Two machines, made by the program itself."""
    folder = tmp_path_factory.mktemp("machines")
    cluster = aws_clusters.new_cluster(folder, machine_account)
    stack = aws_clusters.double_of(cluster, folder)
    stack.settings["nodes"] = 2
    with aws_clusters.destroyed_at_the_end(stack):
        made = stack.up()
        assert made.succeeded, made.told()
        for node in cluster.inventory().nodes:
            await_ssh(cluster, node)
        yield cluster


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
        yield [container_of(client, node.instance_id) for node in running.inventory().nodes]


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
    head.exec_run(["python3", "-c", LISTEN, *engine], detach=True)
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
    found = containers[1].exec_run(["sh", "-c", "env; cat /home/*/.aws/* /root/.aws/*"])
    assert b"AKIA" not in found.output
    assert b"aws_secret" not in found.output.lower()


def test_a_machine_that_shuts_itself_down_is_terminated(running, containers):
    worker = running.inventory().workers[0]
    ec2 = running.account.client("ec2")
    containers[1].exec_run(["sh", "-c", "kill -TERM 1"], detach=True)
    end = time.monotonic() + 60
    while True:
        found = ec2.describe_instances(InstanceIds=[worker.instance_id])["Reservations"]
        (machine,) = found[0]["Instances"]
        if machine["State"]["Name"] == "terminated":
            break
        assert time.monotonic() < end, machine["State"]
        time.sleep(0.3)
    assert "InstanceInitiatedShutdown" in machine["StateReason"]["Code"]
    with docker_client() as client:
        assert client.containers.list(all=True, filters={"id": containers[1].id}) == []


def test_a_cloud_that_was_killed_leaves_nothing_behind_for_long(engine, tmp_path):
    """Neither container nor network: the next cloud removes what a dead one made."""
    with cloud(tmp_path / "first", machines=True) as first:
        ec2 = first.client("ec2")
        network = aws_clusters.new_cluster(tmp_path, first).network
        vpc = ec2.create_vpc(CidrBlock=network)["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=network)["Subnet"]["SubnetId"]
        ec2.run_instances(
            ImageId=BAKED,
            InstanceType="t3.large",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
        )
        filters = {"label": f"{LABEL}={first.process_id}"}
        with docker_client() as client:
            assert len(client.containers.list(filters=filters)) == 1
        os.kill(first.process_id, signal.SIGKILL)
    with cloud(tmp_path / "second", machines=True), docker_client() as client:
        assert client.containers.list(all=True, filters=filters) == []
        assert client.networks.list(filters=filters) == []
