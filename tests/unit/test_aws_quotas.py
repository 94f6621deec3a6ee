"""Whether the account's quotas have room for a cluster."""

import boto3
import pytest
from botocore.stub import Stubber

from contracts import aws_catalogue
from cost.account import Account
from infra import aws_quotas
from tests.doubles.aws_cluster import make_machines, make_network
from tests.unit.aws_examples import settings_of

pytestmark = pytest.mark.slow

REGION = "eu-north-1"
STANDARD = aws_quotas.quota_of("m7i.large", "on-demand")


def quotas(settings, value=None, *, error=None):
    """Ask with Service Quotas answering `value`, or refusing; moto knows no quota of EC2."""
    account, service = Account(REGION), boto3.client("service-quotas", REGION)
    with Stubber(service) as stub:
        if error:
            stub.add_client_error("get_service_quota", error)
        else:
            answer = {"Quota": {"Value": value, "QuotaName": "Standard"}}
            stub.add_response("get_service_quota", answer)

        def clients(name):
            return service if name == "service-quotas" else account.client(name)

        return list(aws_quotas.quotas(clients, settings))


@pytest.mark.parametrize(
    ("allowed", "state", "words"),
    [
        (6.0, "ok", "6 wanted, 0 in use by others, 6 allowed"),
        (5.0, "bad", "6 wanted, 0 in use by others, 5 allowed"),
    ],
)
def test_a_quota_has_room_or_not(aws, tmp_path, allowed, state, words):
    (found,) = quotas(settings_of(tmp_path), allowed)
    assert (found.what, found.state) == (f"quota {STANDARD}", state)
    assert words in found.words
    assert ("--desired-value 6" in found.fix) is (state == "bad")


def test_machines_of_others_count_and_the_clusters_own_do_not(aws, tmp_path):
    ec2 = boto3.client("ec2", REGION)
    network = make_network(ec2)
    make_machines(ec2, network, 3, "lab")
    assert "0 in use" in quotas(settings_of(tmp_path), 9.0)[0].words
    make_machines(ec2, network, 2, "others")
    (found,) = quotas(settings_of(tmp_path), 9.0)
    assert (found.state, "4 in use" in found.words) == ("bad", True)


@pytest.mark.parametrize("error", ["NoSuchResourceException", "AccessDeniedException"])
def test_a_quota_that_is_not_told_keeps_nothing_from_working(aws, tmp_path, error):
    (found,) = quotas(settings_of(tmp_path), error=error)
    assert (found.state, "6 vCPUs" in found.words) == ("note", True)


@pytest.mark.parametrize(
    ("name", "market", "quota"),
    [
        ("c7i.large", "on-demand", "L-1216C47A"),
        ("im4gn.large", "spot", "L-34B43A08"),
        ("inf2.xlarge", "on-demand", "L-1945791B"),
        ("trn1.2xlarge", "spot", "L-6B0D517C"),
        ("dl1.24xlarge", "on-demand", "L-6E869C2A"),
        ("d3.xlarge", "on-demand", "L-1216C47A"),
        ("g4dn.xlarge", "spot", "L-3819A6DF"),
        ("vt1.3xlarge", "on-demand", "L-DB2E81BA"),
        ("p4d.24xlarge", "on-demand", "L-417A185B"),
        ("p5.48xlarge", "spot", "L-C4BD4855"),
        ("x2gd.large", "on-demand", "L-7295265B"),
        ("f2.6xlarge", "on-demand", "L-74FC7D96"),
        ("hpc7a.96xlarge", "on-demand", "L-F7808C92"),
        ("hpc7a.96xlarge", "spot", ""),
        ("u-6tb1.metal", "on-demand", "L-43DA4232"),
        ("mac2.metal", "on-demand", ""),
        ("q1.large", "on-demand", ""),
    ],
)
def test_each_family_counts_towards_its_own_quota(name, market, quota):
    assert aws_quotas.quota_of(name, market) == quota


def test_types_that_the_table_lacks_count_with_the_cpus_that_ec2_tells(aws, monkeypatch):
    monkeypatch.setattr(aws_catalogue, "find", lambda name, region: None)
    found = aws_quotas._cpus(boto3.client("ec2", REGION), {"c5.4xlarge", "t3.large"}, REGION)
    assert found == {"c5.4xlarge": 16, "t3.large": 2}
