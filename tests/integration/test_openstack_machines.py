"""What the servers of a stack on OpenStack may do and who may reach them, tried on containers.

A container on the servers' own network, which is no member of their group, is the stranger.
"""

import json
import os
import signal
import subprocess

import pytest

from contracts import ports
from contracts.ports import Audience
from provision import ssh_config
from tests.doubles.machines.container import one_cpu
from tests.doubles.openstack import bed, processes
from tests.doubles.openstack.machine_labels import LABEL
from tests.doubles.openstack.places import usual
from tests.inside import run_inside
from tests.integration.aws_clusters import inside
from tests.integration.aws_probes import LISTEN, TRY
from tests.integration.local_clusters import docker_client
from tests.integration.openstack_clusters import stack_of
from tests.integration.openstack_machines import (
    answers,
    await_ssh,
    container_of,
    log_in,
    machine_cluster,
    wait_until,
)

pytestmark = [
    pytest.mark.long,
    pytest.mark.openstack,
    pytest.mark.containers,
    pytest.mark.timeout(1800),
]
MIB = 1024**2


@pytest.fixture(scope="module")
def running(machine_clouds, tmp_path_factory):
    """Two machines, made by the program itself."""
    folder = tmp_path_factory.mktemp("machines")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OS_CLIENT_CONFIG_FILE", str(machine_clouds))
        with (
            machine_cluster(folder, machine_clouds) as cluster,
            stack_of(cluster, folder) as stack,
        ):
            made = stack.up()
            assert made.succeeded, made.told()
            for node in cluster.inventory().nodes:
                await_ssh(cluster, node)
            yield cluster
            gone = stack.destroy()
            assert gone.succeeded, gone.told()
            assert cluster.audit().clean
            assert leftovers() == ([], [])


def leftovers():
    """Return the names of all containers and networks of the bed."""
    filters = {"label": f"{LABEL}={usual().root}"}
    with docker_client() as client:
        containers = client.containers.list(all=True, filters=filters)
        networks = client.networks.list(filters=filters)
        return [one.name for one in containers], [one.name for one in networks]


@pytest.fixture
def containers(running):
    with docker_client() as client:
        yield [container_of(client, one.instance_id) for one in running.inventory().nodes]


@pytest.fixture
def stranger(containers):
    (network,) = containers[0].attrs["NetworkSettings"]["Networks"]
    with docker_client() as client:
        made = client.containers.run(
            containers[0].attrs["Image"],
            ["sleep", "600"],
            network=network,
            labels={LABEL: str(usual().root)},
            detach=True,
        )
        yield made
        made.remove(force=True)


def test_a_machine_is_as_large_as_its_flavor_and_where_its_port_is(running, containers):
    for node, container in zip(running.inventory().nodes, containers, strict=True):
        limits = container.attrs["HostConfig"]
        assert limits["Memory"] == limits["MemorySwap"] // 2 == 2048 * MIB
        assert limits["NanoCpus"] == int(one_cpu() * 1e9)
        (network,) = container.attrs["NetworkSettings"]["Networks"].values()
        assert network["IPAddress"] == node.private_ip
        server = running.servers()[node.name]
        assert container.attrs["Config"]["Hostname"] == server.hostname


def test_key_and_user_data_are_what_the_program_gave(running, containers):
    node, container = running.inventory().head, containers[0]
    key = running.state / "machines" / running.name / "id_ed25519"
    words = ["ssh-keygen", "-y", "-f", str(key)]
    public = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    read = "print(open('/home/ubuntu/.ssh/authorized_keys').read())"
    assert inside(container, read)[1].split()[:2] == public[:2]
    _, told = inside(container, "print(open('/etc/tandem/limits.json').read())", user="root")
    assert json.loads(told) == {
        "expires_at": None,
        "ttl_seconds": 8 * 3600,
        "idle_seconds": 1800,
    }
    said = running.link.compute.get_server_console_output(node.instance_id)["output"]
    block = said.partition("BEGIN SSH HOST KEY KEYS-----\n")[2].partition("\n-----END")[0]
    assert block.split()[:2] == node.host_key.split()[:2]


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
    wait_until(lambda: reached(worker, address, engine) == members, "members to be let in", 60)
    assert reached(head, address, engine) == {int(port) for port in engine}
    assert reached(stranger, address, every_port()) == set()
    outside = running.inventory().head.ssh_host
    assert {port for port in map(int, every_port()) if answers(outside, port, 0.5)} == {22}


def test_what_is_outside_comes_in_by_the_one_floating_address_alone(running):
    head, worker = running.inventory().nodes
    assert answers(head.ssh_host, 22)
    assert not answers(head.private_ip, 22)
    assert not answers(worker.private_ip, 22)
    log_in(running, worker)


def test_openssh_reaches_a_worker_by_its_name_through_the_head(running):
    inventory = running.inventory()
    path = ssh_config.write(inventory, running.state)
    words = ["ssh", "-F", str(path), "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"]
    name = ssh_config.alias(inventory, inventory.nodes[1])
    done = subprocess.run(
        [*words, name, "hostname", "-I"], capture_output=True, text=True, timeout=60
    )
    assert inventory.nodes[1].private_ip in done.stdout.split(), done.stderr


def test_ssh_follows_the_operators_address(running):
    head, network = running.inventory().head, running.link.network
    group = running.inventory().security_group_id
    (rule,) = [
        one
        for one in network.security_group_rules(security_group_id=group)
        if one.remote_ip_prefix == running.settings["operator-cidrs"]
    ]
    network.delete_security_group_rule(rule)
    try:
        wait_until(
            lambda: not answers(head.ssh_host, 22, 1.0), "the operator to be refused", 30
        )
    finally:
        network.create_security_group_rule(
            security_group_id=group,
            direction="ingress",
            ether_type="IPv4",
            protocol="tcp",
            port_range_min=22,
            port_range_max=22,
            remote_ip_prefix=rule.remote_ip_prefix,
        )
    await_ssh(running, head)


def test_a_floating_address_goes_where_it_is_bound(running, containers):
    head, network = running.inventory().head, running.link.network
    (outside,) = network.ips(floating_ip_address=head.ssh_host)
    worker = running.inventory().nodes[1]
    (other,) = network.ports(device_id=worker.instance_id)
    bound = outside.port_id
    network.update_ip(outside, port_id=other.id)
    try:
        shown = ["hostname", "-I"]
        wait_until(
            lambda: head.ssh_host in run_inside(containers[1], *shown).output.split(),
            "the address to be at the worker",
            30,
        )
        assert head.ssh_host not in run_inside(containers[0], *shown).output.split()
        wait_until(lambda: answers(head.ssh_host, 22), "the worker to answer there", 30)
        network.update_ip(outside, port_id=None)
        wait_until(lambda: not answers(head.ssh_host, 22, 1.0), "nobody to answer there", 30)
    finally:
        network.update_ip(outside, port_id=bound)
    await_ssh(running, head)


def test_nova_and_the_container_agree_whether_a_machine_runs(running, containers):
    worker, container = running.inventory().nodes[1], containers[1]
    compute, server = running.link.compute, worker.instance_id

    def is_now(status, state):
        wait_until(lambda: running.status(server) == status, f"nova to say {status}")
        container.reload()
        assert container.status == state

    run_inside(container, "touch", "/root/kept")
    compute.stop_server(server)
    is_now("SHUTOFF", "exited")
    compute.start_server(server)
    is_now("ACTIVE", "running")
    await_ssh(running, worker)
    since = container.attrs["State"]["StartedAt"]
    compute.reboot_server(server, "HARD")
    wait_until(lambda: running.status(server) != "ACTIVE", "the reboot to begin", 30)
    is_now("ACTIVE", "running")
    assert container.attrs["State"]["StartedAt"] != since
    await_ssh(running, worker)
    # What ends from within, as by `shutdown`, is told as switched off.
    run_inside(container, "sh", "-c", "kill -TERM 1", detach=True)
    is_now("SHUTOFF", "exited")
    compute.start_server(server)
    is_now("ACTIVE", "running")
    await_ssh(running, worker)
    assert run_inside(container, "ls", "/root/kept").exit_code == 0


def test_a_machine_that_left_the_group_is_a_stranger(running):
    network, worker = running.link.network, running.inventory().nodes[1]
    address = running.inventory().head.private_ip
    with docker_client() as client:
        head = container_of(client, running.inventory().head.instance_id)
        container = container_of(client, worker.instance_id)
        run_inside(head, "python3", "-c", LISTEN, "8786", detach=True)
        wait_until(lambda: reached(container, address, ["8786"]), "the member to get in", 30)
        (port,) = network.ports(device_id=worker.instance_id)
        groups = list(port.security_group_ids)
        network.update_port(port, security_group_ids=[])
        try:
            wait_until(lambda: not reached(container, address, ["8786"]), "it to be out", 30)
        finally:
            network.update_port(port, security_group_ids=groups)
        wait_until(lambda: reached(container, address, ["8786"]), "it to be in again", 30)


def test_machines_find_the_clouds_services_where_everybody_does(running, containers, stranger):
    """On loopback, by a way of each machine's own; for all others nothing listens."""
    own = usual()
    services = [str(own.port(one)) for one in ("identity", "compute", "object-store")]
    others = [str(own.port(one)) for one in ("database", "placement", "network", "object")]
    wanted = {int(one) for one in services}
    assert reached(containers[1], "127.0.0.1", [*services, *others]) == wanted
    assert reached(stranger, "127.0.0.1", services) == set()
    router = str(running.settings["operator-cidrs"]).partition("/")[0]
    assert reached(stranger, router, [*services, *others]) == set()
    assert os.stat(own.socket).st_mode & 0o077 == 0


def test_what_keeps_the_containers_may_be_killed(running):
    """It stands last: nothing of the old containers is left, and nova starts new ones."""
    pid, _ = (usual().run / "pids" / "machines").read_text().split()
    before = leftovers()
    os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: not processes.alive(usual(), "machines"), "it to be gone", 30)
    assert leftovers() == before
    bed.start(usual())
    assert leftovers() == ([], [])
    head = running.inventory().head
    wait_until(lambda: running.status(head.instance_id) == "SHUTOFF", "nova to see it")
    running.link.compute.start_server(head.instance_id)
    wait_until(lambda: running.status(head.instance_id) == "ACTIVE", "it to run again")
    await_ssh(running, head)
