"""What a killed `up` made before Pulumi noted it, told apart from what Pulumi knows."""

import json
import subprocess

import pytest

from infra.openstack_unnoted import Interrupted, interrupted, remove
from tests.doubles.scripted_openstack import ScriptedCloud, thing

MARK = "0a1b2c3d"
SWEPT = {"urn": "urn:pulumi:ssc::tandem::c$pulumi-python:dynamic:Sweep::swept", "id": MARK}
NETWORK = {
    "urn": "urn:pulumi:ssc::tandem::c$openstack:networking/network:Network::n",
    "id": "n1",
}
PENDING = [{"type": "creating", "resource": {"urn": "urn:x"}}]


def ours(name, **more):
    return thing(**{"id": name, "name": name, "tags": [f"tandem:stack={MARK}"], **more})


@pytest.mark.parametrize(
    ("deployment", "found"),
    [
        ({"resources": [SWEPT, NETWORK], "pending_operations": PENDING}, {MARK, "n1"}),
        ({"resources": [SWEPT, NETWORK]}, None),
        ({"resources": [NETWORK], "pending_operations": PENDING}, None),
        ({"resources": None, "pending_operations": PENDING}, None),
        (None, None),
    ],
)
def test_a_stack_is_interrupted_when_something_of_it_was_under_way(
    monkeypatch, deployment, found
):
    text = json.dumps({"deployment": deployment}) if deployment else "error: no stack"
    done = subprocess.CompletedProcess([], 0, stdout=text.encode())
    monkeypatch.setattr(subprocess, "run", lambda *given, **options: done)
    before = interrupted("ssc")
    assert (None if before is None else before.known) == found


def test_without_the_program_nothing_is_known(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert interrupted("ssc") is None


def test_only_what_is_the_stacks_own_and_not_known_is_removed():
    interface = {"device_id": "r1", "device_owner": "network:router_interface"}
    own_ports = [ours("p1", device_id="s1"), ours("p2", device_id="")]
    cloud = ScriptedCloud(
        security_groups=[[ours("g1"), thing(id="g9", name="of-others", tags=[])]],
        security_group_rules=[[thing(id="rule-1"), thing(id="rule-2")]],
        ips=[[ours("a1"), ours("a2")]],
        ports=[own_ports, [thing(id="i1", **interface), thing(id="i2", **interface)]],
        routers=[[ours("r1")]],
        networks=[[ours("n1")]],
        subnets=[[thing(id="sub-1"), thing(id="sub-2")]],
        application_credentials=[
            [
                thing(id="c1", name=f"tandem-demo-ending-{MARK}"),
                thing(id="c2", name=f"tandem-demo-ending-{MARK}", access_rules=None),
                thing(id="c3", name="mine"),
            ]
        ],
    )
    cloud.current_project_id = "p"
    known = {"g1", "rule-1", "a1", "i1", "r1", "n1", "sub-1", "c1"}
    remove(cloud, Interrupted(MARK, frozenset(known)))
    gone = [one for one in cloud.calls if one[0].startswith(("delete", "remove"))]
    assert [(name, options.get("port") or args[-1].id) for name, args, options in gone] == [
        ("delete_security_group_rule", "rule-2"),
        ("delete_ip", "a2"),
        ("delete_port", "p2"),
        ("remove_interface_from_router", "i2"),
        ("delete_subnet", "sub-2"),
        ("delete_application_credential", "c2"),
    ]
