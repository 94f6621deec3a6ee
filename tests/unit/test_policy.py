"""The policy pack: what the program declares keeps each rule, and each sees its breach."""

import copy
from functools import cache

import pytest
from pulumi_policy import (
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy import pack, rules
from policy.known import UNKNOWN
from policy.rules import FALLBACK, INSTANCE, TAGS, Caps
from tests.doubles.declared_program import declare

GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
OLD_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
NEUTRON = "openstack:networking/secGroupRule:SecGroupRule"
TAGGED = dict.fromkeys(TAGS, "x")
GOOD = {
    "instanceType": "t3.large",
    "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1.0},
    "rootBlockDevice": {"encrypted": True},
    "instanceInitiatedShutdownBehavior": "terminate",
    "tags": TAGGED,
}
# The same machine as our own resource has it, whose inputs have Python's names.
GOOD_FALLBACK = {
    "instance_type": "t3.large",
    "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 1.0},
    "root_block_device": {"encrypted": True},
    "instance_initiated_shutdown_behavior": "terminate",
    "tags": TAGGED,
}


def complaints(kind, props):
    return [words for rule in rules.OF_RESOURCES for words in rule(kind, props)]


def instance(**changes):
    return {**copy.deepcopy(GOOD), **changes}


@cache
def declared(state):
    patch = pytest.MonkeyPatch()
    with patch.context() as variables:
        variables.setenv("TANDEM_STATE", state)
        variables.setenv("PULUMI_CONFIG_PASSPHRASE", "a phrase")
        return declare(
            {
                "tandem:provider": "aws",
                "tandem:name": "demo",
                "tandem:workers": "spot",
                "tandem:spot-fallback": "true",
                "tandem:operator-cidrs": "198.51.100.7",
                "aws:region": "eu-north-1",
            }
        ).resources


def test_what_the_program_declares_keeps_every_rule(tmp_path_factory):
    resources = declared(str(tmp_path_factory.getbasetemp()))
    assert {one.kind for one in resources} >= {INSTANCE, FALLBACK, INGRESS}
    for one in resources:
        assert complaints(one.kind, one.inputs) == [], one.name
    pairs = [(one.kind, one.inputs) for one in resources]
    assert rules.caps(pairs, Caps()) == []
    assert rules.private_buckets(pairs) == []


@pytest.mark.parametrize(
    ("kind", "props", "words"),
    [
        (
            INGRESS,
            {"cidrIpv4": "0.0.0.0/0", "fromPort": 22.0, "toPort": 22.0},
            "ports 22 to 22",
        ),
        (INGRESS, {"cidrIpv4": "0.0.0.0/0", "fromPort": 8786, "toPort": 8786}, "0.0.0.0/0"),
        (INGRESS, {"cidrIpv4": "128.0.0.0/1"}, "ports any to any are open to 128.0.0.0/1"),
        (INGRESS, {"cidrIpv6": "::/0", "fromPort": 1, "toPort": 9}, "open to ::/0"),
        (OLD_RULE, {"type": "ingress", "cidrBlocks": ["10.0.0.0/8"]}, "10.0.0.0/8"),
        (
            GROUP,
            {"ingress": [{"cidrBlocks": ["0.0.0.0/0"], "fromPort": 0, "toPort": 0}]},
            "open",
        ),
        (
            NEUTRON,
            {"direction": "ingress", "portRangeMin": 22},
            "22 to any are open to 0.0.0.0/0",
        ),
        (NEUTRON, {"direction": "ingress", "ethertype": "IPv6"}, "open to ::/0"),
        (NEUTRON, {"direction": "ingress", "remoteIpPrefix": None}, "open to 0.0.0.0/0"),
        (NEUTRON, {"direction": UNKNOWN, "remoteGroupId": ""}, "open to 0.0.0.0/0"),
        (NEUTRON, {"direction": "ingress", "remoteIpPrefix": "10.0.0.0/8"}, "10.0.0.0/8"),
        (INSTANCE, instance(metadataOptions=None), "httpTokens must be required"),
        (INSTANCE, instance(metadataOptions={"httpTokens": "optional"}), "is optional"),
        (
            INSTANCE,
            instance(metadataOptions={"httpTokens": "required", "httpPutResponseHopLimit": 2}),
            "must be 1, is 2",
        ),
        (INSTANCE, instance(rootBlockDevice=None), "rootBlockDevice.encrypted"),
        (INSTANCE, instance(rootBlockDevice={"encrypted": False}), "rootBlockDevice.encrypted"),
        (INSTANCE, instance(ebsBlockDevices=[{"volumeSize": 9}]), "ebsBlockDevices.encrypted"),
        ("aws:ebs/volume:Volume", {"size": 1}, "encrypted must be true"),
        (INSTANCE, instance(instanceInitiatedShutdownBehavior="stop"), "must be terminate"),
        (
            INSTANCE,
            instance(tags={**TAGGED, "tandem:owner": ""}),
            "tag tandem:owner is missing",
        ),
        (INSTANCE, instance(instanceInitiatedShutdownBehavior=UNKNOWN), "must be terminate"),
        (INSTANCE, instance(rootBlockDevice={"encrypted": UNKNOWN}), "encrypted must be true"),
        (INSTANCE, instance(ebsBlockDevices=UNKNOWN), "ebsBlockDevices must be known"),
        (INSTANCE, instance(metadataOptions=UNKNOWN), "httpTokens must be required"),
        ("aws:ec2/vpc:Vpc", {}, "tag tandem:cluster is missing"),
        (FALLBACK, {**GOOD_FALLBACK, "metadata_options": None}, "httpTokens must be required"),
        (FALLBACK, {**GOOD_FALLBACK, "root_block_device": {}}, "rootBlockDevice.encrypted"),
        (
            FALLBACK,
            {**GOOD_FALLBACK, "instance_initiated_shutdown_behavior": "stop"},
            "must be terminate",
        ),
        (INGRESS, {"prefixListId": "pl-1"}, "are open to prefixListId pl-1"),
        (OLD_RULE, {"type": "ingress", "prefixListIds": ["pl-1"]}, "open to prefixListIds"),
        ("aws:ec2/spotInstanceRequest:SpotInstanceRequest", {}, "no rule can judge"),
        ("aws:ec2/launchTemplate:LaunchTemplate", {}, "no rule can judge"),
        ("aws:ec2/fleet:Fleet", {}, "no rule can judge a aws:ec2/fleet:Fleet"),
        ("aws:autoscaling/group:Group", {}, "allow_types"),
        ("aws-native:ec2:Instance", {}, "no rule can judge"),
        (FALLBACK, {"tags": {"tandem:cluster": "x"}}, "tag tandem:expires-at is missing"),
    ],
)
def test_a_breach_is_seen_and_said(kind, props, words):
    if kind in (INGRESS, GROUP):
        props = {"tags": TAGGED, **props}
    assert any(words in one for one in complaints(kind, props)), complaints(kind, props)


@pytest.mark.parametrize(
    ("kind", "props"),
    [
        (INSTANCE, GOOD),
        (INSTANCE, instance(tags={**TAGGED, "tandem:expires-at": UNKNOWN})),
        (FALLBACK, GOOD_FALLBACK),
        (INGRESS, {"cidrIpv4": UNKNOWN, "tags": TAGGED}),
        ("pulumi:providers:aws", {}),
        (INGRESS, {"cidrIpv4": "198.51.100.7/32", "tags": TAGGED}),
        (INGRESS, {"referencedSecurityGroupId": "sg-1", "tags": TAGGED}),
        (OLD_RULE, {"type": "egress", "cidrBlocks": ["0.0.0.0/0"]}),
        ("aws:s3/bucketVersioning:BucketVersioning", {}),
        (NEUTRON, {"direction": "ingress", "remoteIpPrefix": "198.51.100.7/32"}),
        (NEUTRON, {"direction": "ingress", "remoteIpPrefix": UNKNOWN}),
        (NEUTRON, {"direction": "ingress", "remoteGroupId": "g-1"}),
        (NEUTRON, {"direction": "ingress", "remoteGroupId": UNKNOWN, "ethertype": UNKNOWN}),
        (NEUTRON, {"direction": "egress"}),
    ],
)
def test_what_keeps_the_rules_passes(kind, props):
    assert complaints(kind, props) == []


@pytest.mark.parametrize(
    ("machines", "caps", "words"),
    [
        ([("t3.large", 3)], Caps(most_nodes=2), "3 machines are more than 2"),
        ([("c7i.48xlarge", 2)], Caps(), "USD an hour, more than 10.00"),
        ([("none.large", 1)], Caps(), "no price is known for none.large"),
        ([(UNKNOWN, 1)], Caps(), "no price is known for a type not known yet"),
    ],
)
def test_too_many_or_too_dear_machines_are_refused(machines, caps, words):
    kinds = [
        (INSTANCE, {"instanceType": name}) for name, count in machines for _ in range(count)
    ]
    assert [words in one for one in rules.caps(kinds, caps)] == [True]


def test_a_machine_whose_market_is_open_counts_like_the_others():
    kinds = [
        (FALLBACK, {"instance_type": "t3.large"}),
        (INSTANCE, {"instanceType": "t3.large"}),
    ]
    assert rules.caps(kinds, Caps(most_nodes=1)) == ["2 machines are more than 1"]
    unpriced = [(INSTANCE, {"instanceType": "none.large"})]
    assert rules.caps(unpriced, Caps(allow_unpriced=True)) == []


def test_a_bucket_without_its_guards_is_refused():
    bucket = ("aws:s3/bucket:Bucket", {})
    block = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    half = (block, {"blockPublicAcls": True})
    found = rules.private_buckets([bucket, half])
    assert found == [
        "1 of 1 buckets may become public",
        "1 of 1 buckets are not set to encrypt",
    ]


def test_the_pack_passes_every_rule_to_the_engine_as_mandatory():
    found = pack.policies()
    assert [one.name for one in found] == [
        "closed-to-the-world",
        "metadata-version-2",
        "encrypted-disks",
        "ends-for-good",
        "tagged",
        "judged",
        "caps",
        "private-buckets",
    ]
    assert {one.enforcement_level.value for one in found} == {"mandatory"}
    assert all(one.description.endswith(".") for one in found)
    told = []
    for one in found:
        if isinstance(one, ResourceValidationPolicy):
            args = ResourceValidationArgs(INSTANCE, {}, "urn", "node-1", None, None, None, None)
            one.validate(args, lambda words, urn: told.append(words))
        else:
            assert isinstance(one, StackValidationPolicy)
    assert any(words.startswith("node-1: metadataOptions") for words in told)
    assert any("tandem:cluster" in words for words in told)


def test_the_caps_of_a_stack_come_from_the_packs_configuration():
    caps = next(one for one in pack.policies() if one.name == "caps")

    class Machine:
        resource_type = INSTANCE
        props = GOOD

    told = []
    args = StackValidationArgs([Machine()] * 3, {"most_nodes": 2.0})
    caps.validate(args, lambda words, urn: told.append(words))
    assert told == ["3 machines are more than 2"]


def test_a_misspelt_cap_is_told_and_does_not_pass_for_none():
    caps = next(one for one in pack.policies() if one.name == "caps")
    told = []
    caps.validate(StackValidationArgs([], {"nodes": 2}), lambda words, urn: told.append(words))
    assert told == [
        "caps has no 'nodes'; it has most_nodes, most_dollars_an_hour, allow_unpriced"
    ]
