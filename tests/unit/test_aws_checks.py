"""What `fab doctor` asks of an account on AWS, and what it says of the answers."""

import platform

import boto3
import pytest

from contracts import aws_catalogue
from cost.account import Account
from infra import aws_checks, ubuntu
from infra.aws_settings import parse_aws
from infra.findings import guarded
from provision import node_uv
from tasks import doctor
from tests.command_line import fab
from tests.doubles.aws_cluster import make_bucket, make_network
from tests.unit.aws_examples import settings_of

pytestmark = pytest.mark.slow

REGION = "eu-north-1"


def states(check, settings):
    found = list(check(Account(REGION).client, settings))
    assert all(one.fix for one in found if one.state == "bad"), "no finding without its fix"
    return {one.what: (one.state, one.words) for one in found}


def test_the_region_and_the_types_of_the_defaults_are_found(aws, tmp_path):
    settings = settings_of(tmp_path)
    assert states(aws_checks.region, settings)["region"][0] == "ok"
    found = states(aws_checks.offers, settings)
    assert found["type m7i.large"][0] == "ok"
    assert found["zone"] == ("ok", f"{REGION}a")


def test_a_burstable_type_is_worth_a_note(aws, tmp_path):
    found = states(aws_checks.offers, settings_of(tmp_path, worker_types="t3.large"))
    assert [found[f"type {name}.large"][0] for name in ("m7i", "t3")] == ["ok", "note"]


def test_a_region_that_is_not_enabled_is_bad(aws, tmp_path):
    settings = parse_aws(
        {"name": "lab", "unlisted-types": "true"}, region="xx-west-1", state=tmp_path, user="a"
    )
    (found,) = aws_checks.region(Account(REGION).client, settings)
    assert (found.state, "xx-west-1 is not enabled" in found.words) == ("bad", True)


def test_a_type_that_nobody_offers_is_bad_and_so_is_the_zone(aws, tmp_path):
    settings = settings_of(tmp_path, unlisted_types="true", worker_types="t99.large")
    found = states(aws_checks.offers, settings)
    assert found["type t99.large"] == ("bad", f"{REGION} does not offer it")
    assert found["zone"][0] == "bad"


@pytest.fixture
def rare(aws):
    """Return a type that some zones of the region lack, with the zones that have it."""
    pages = boto3.client("ec2", REGION).get_paginator("describe_instance_type_offerings")
    zones = {}
    for one in pages.paginate(LocationType="availability-zone").search("InstanceTypeOfferings"):
        zones.setdefault(one["InstanceType"], set()).add(one["Location"])
    for name, found in sorted(zones.items()):
        known = aws_catalogue.find(name, REGION)
        if known and known.architecture == "x86_64" and len(found) < 3:
            return name, found
    pytest.fail("every zone offers every type")


def test_the_zone_is_one_that_offers_every_type(rare, tmp_path):
    name, zones = rare
    found = states(aws_checks.offers, settings_of(tmp_path, head_type=name))
    assert found["zone"] == ("ok", min(zones))
    without = min({f"{REGION}{letter}" for letter in "abc"} - zones)
    told = states(aws_checks.offers, settings_of(tmp_path, head_type=name, zone=without))
    assert told["zone"][0] == "bad"
    assert f"None of {without} offers all of" in told["zone"][1]
    assert min(zones) in told["zone"][1]


def test_a_given_subnet_decides_the_zone(rare, tmp_path):
    name, zones = rare
    ec2 = boto3.client("ec2", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    without = min({f"{REGION}{letter}" for letter in "abc"} - zones)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone=without)
    given = {"vpc": vpc, "subnet": subnet["Subnet"]["SubnetId"]}
    told = states(aws_checks.offers, settings_of(tmp_path, head_type=name, **given))
    assert (told["zone"][0], without in told["zone"][1]) == ("bad", True)


@pytest.fixture
def ubuntu_image(aws, monkeypatch):
    """Return an image of Ubuntu's maker that moto has, named as the one that is looked for."""
    images = boto3.client("ec2", REGION).describe_images(Owners=[ubuntu.MAKER])["Images"]
    found = next(one for one in images if one["Architecture"] == "x86_64")
    monkeypatch.setattr(ubuntu, "NAME", found["Name"])
    return found["ImageId"]


def test_the_newest_ubuntu_or_the_given_image_is_found(ubuntu_image, tmp_path):
    for settings in (settings_of(tmp_path), settings_of(tmp_path, image=ubuntu_image)):
        state, words = states(aws_checks.image, settings)["image"]
        assert (state, ubuntu_image in words) == ("ok", True)


def test_an_image_for_other_machines_is_bad(ubuntu_image, tmp_path):
    types = {"head_type": "t4g.large", "worker_types": "t4g.large"}
    settings = settings_of(tmp_path, image=ubuntu_image, **types)
    state, words = states(aws_checks.image, settings)["image"]
    assert (state, "is for x86_64, machines are aarch64" in words) == ("bad", True)


def test_an_image_that_is_not_there_is_bad(aws, tmp_path):
    settings = settings_of(tmp_path, image="ami-0123456789abcdef0")
    assert states(aws_checks.image, settings)["image"][0] == "bad"
    assert states(aws_checks.launch, settings) == {}


def test_a_given_subnet_is_looked_at(aws, tmp_path):
    ec2 = boto3.client("ec2", REGION)
    made = make_network(ec2)
    given = {"vpc": made["vpc"], "subnet": made["subnet"]}
    assert states(aws_checks.network, settings_of(tmp_path)) == {}
    assert states(aws_checks.network, settings_of(tmp_path, **given))["subnet"][0] == "ok"
    other = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    closed = ec2.create_subnet(VpcId=other, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    for wrong, words in (
        ({**given, "vpc": other}, f"is in {made['vpc']}"),
        ({"vpc": other, "subnet": closed}, "no route to an internet gateway"),
        ({**given, "subnet": "subnet-0123456789abcdef0"}, "is not there"),
    ):
        state, told = states(aws_checks.network, settings_of(tmp_path, **wrong))["subnet"]
        assert (state, words in told) == ("bad", True), told


def test_a_given_bucket_is_looked_at(aws, tmp_path):
    assert states(aws_checks.bucket, settings_of(tmp_path)) == {}
    there = settings_of(tmp_path, bucket=make_bucket(REGION))
    assert states(aws_checks.bucket, there)["bucket"][0] == "ok"
    assert states(aws_checks.bucket, settings_of(tmp_path, bucket="gone"))["bucket"][0] == "bad"


def test_whether_machines_may_be_started_is_asked_without_starting_any(ubuntu_image, tmp_path):
    assert states(aws_checks.launch, settings_of(tmp_path))["launch"][0] == "ok"
    assert boto3.client("ec2", REGION).describe_instances()["Reservations"] == []


def test_uv_for_machines_of_another_processor_is_fetched_or_missed(tmp_path, monkeypatch):
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    other = {"x86_64": "t4g.large", "aarch64": "t3.large"}[platform.machine()]
    settings = settings_of(tmp_path, head_type=other, worker_types=other)
    (missed,) = guarded("uv", lambda: doctor._uv(settings))
    assert (missed.state, "could not be fetched" in missed.words) == ("bad", True)
    monkeypatch.setattr(node_uv, "binary", lambda system, machine, state: state / machine)
    (found,) = doctor._uv(settings)
    assert found.state == "ok"


def bad_findings(answered):
    assert (answered.code, answered.document["well"]) == (1, False)
    every = answered.document["findings"]
    return {one["what"]: one for one in every if one["state"] == "bad"}


def test_the_doctor_says_what_is_missing_and_how_to_mend_it(aws, tmp_path):
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    found = bad_findings(fab("doctor", "--provider", "aws", "--json", state=tmp_path, **nobody))
    assert "AWS_PROFILE" in found["credentials"]["fix"]


def test_a_profile_that_is_not_there_costs_no_other_finding(aws, tmp_path):
    answered = fab(
        "doctor", "--provider", "aws", "--json", state=tmp_path, AWS_PROFILE="nobody"
    )
    assert "nobody" in bad_findings(answered)["credentials"]["words"]
    assert {"configuration", "pulumi", "key"} <= {
        one["what"] for one in answered.document["findings"]
    }
