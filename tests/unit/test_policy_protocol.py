"""The policy pack as Pulumi's engine starts it and asks it, what is not known yet included."""

import select
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi_policy.proxy import UNKNOWN_BOOLEAN_VALUE, UNKNOWN_STRING_VALUE

from policy import pack
from policy.rules import FALLBACK, INSTANCE, TAGS

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
MANDATORY = analyzer_pb2.EnforcementLevel.MANDATORY
SECONDS = 20
START_SECONDS = 180
# As in a first preview: nothing has an expiry or an image yet.
PREVIEWED = {**dict.fromkeys(TAGS, "x"), "tandem:expires-at": UNKNOWN_STRING_VALUE}
WORKER = {
    "ami": UNKNOWN_STRING_VALUE,
    "instance_type": "t3.large",
    "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 1},
    "root_block_device": {"encrypted": True},
    "instance_initiated_shutdown_behavior": "terminate",
    "tags": PREVIEWED,
}


@pytest.fixture(scope="module")
def engine():
    """Ask the pack as the engine does."""
    folder = Path(pack.__file__).parent
    # Unbuffered, as the engine does: the pack says its port without a flush.
    words = [sys.executable, "-u", "__main__.py", "127.0.0.1:1", "."]
    process = subprocess.Popen(
        words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    try:
        said = select.select([process.stdout], [], [], START_SECONDS)[0]
        assert said, f"the pack did not say its port within {START_SECONDS} s"
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        process.kill()
        process.communicate()


def told(engine, kind, properties, name="one"):
    request = analyzer_pb2.AnalyzeRequest(type=kind, urn="u", name=name)
    request.properties.update(properties)
    return engine.Analyze(request, timeout=SECONDS).diagnostics


def test_the_pack_runs_as_pulumi_starts_it_and_refuses_over_its_protocol(engine):
    assert engine.GetAnalyzerInfo(empty_pb2.Empty(), timeout=SECONDS).name == pack.NAME
    ssh = {"cidrIpv4": "0.0.0.0/0", "fromPort": 22, "toPort": 22}
    found = told(engine, INGRESS, ssh, "open-ssh")
    assert any("open-ssh: ports 22 to 22 are open to 0.0.0.0/0" in one.message for one in found)


def test_a_first_preview_of_what_is_right_is_judged_without_a_remark(engine):
    assert list(told(engine, FALLBACK, WORKER)) == []


def test_a_rule_of_neutron_is_judged_by_what_a_preview_knows(engine):
    kind = "openstack:networking/secGroupRule:SecGroupRule"
    ssh = {"direction": "ingress", "ethertype": "IPv4", "portRangeMin": 22, "portRangeMax": 22}
    for given in ("remoteGroupId", "remoteIpPrefix"):
        assert list(told(engine, kind, {**ssh, given: UNKNOWN_STRING_VALUE})) == []
    found = told(engine, kind, {**ssh, "securityGroupId": UNKNOWN_STRING_VALUE})
    assert any("ports 22 to 22 are open to 0.0.0.0/0" in one.message for one in found)


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"tags": {**PREVIEWED, "tandem:owner": ""}}, "tag tandem:owner is missing"),
        ({"root_block_device": {"encrypted": UNKNOWN_BOOLEAN_VALUE}}, "must be true"),
        ({"metadata_options": {"http_tokens": UNKNOWN_STRING_VALUE}}, "is not known yet"),
        ({"instance_initiated_shutdown_behavior": "stop"}, "must be terminate"),
    ],
)
def test_a_breach_is_refused_by_the_preview_whatever_else_is_not_known(
    engine, properties, words
):
    found = told(engine, FALLBACK, {**WORKER, **properties})
    assert found
    assert {one.enforcementLevel for one in found} == {MANDATORY}
    assert any(words in one.message for one in found)


def test_the_caps_count_machines_whose_inputs_are_not_all_known(engine):
    request = analyzer_pb2.AnalyzeStackRequest()
    for number in range(17):
        name = f"node-{number}"
        one = request.resources.add(type=INSTANCE, urn=name, name=name)
        one.properties.update({"instanceType": "t3.large", "ami": UNKNOWN_STRING_VALUE})
    found = engine.AnalyzeStack(request, timeout=SECONDS).diagnostics
    assert [one.message.splitlines()[-1] for one in found] == ["17 machines are more than 16"]
    assert found[0].enforcementLevel == MANDATORY


def test_a_type_that_no_rule_judges_is_refused_until_the_configuration_names_it(engine):
    kind = "aws:sns/topic:Topic"
    assert any("no rule can judge" in one.message for one in told(engine, kind, {}))
    request = analyzer_pb2.ConfigureAnalyzerRequest()
    wanted = request.policyConfig["judged"]
    wanted.enforcementLevel = MANDATORY
    wanted.properties.update({"allow_types": [kind]})
    engine.Configure(request, timeout=SECONDS)
    assert list(told(engine, kind, {})) == []
