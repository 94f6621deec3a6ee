"""The verbs of money as a user types them: what they print, and how they end."""

import boto3
import pytest

from contracts import aws_prices
from tests.command_line import fab
from tests.doubles.aws_cluster import CLUSTER, make_cluster, make_network

pytestmark = pytest.mark.slow

REGION = "eu-north-1"


def test_an_estimate_needs_no_account_and_names_its_table(tmp_path):
    answered = fab(
        "cost.estimate", "--offline", "--nodes", "3", "--type", "t3.medium", "--hours", "2",
        "--region", REGION, "--budget", "1", "--stack", "none", "--json", state=tmp_path,
    )  # fmt: skip
    assert answered.code == 0, answered.err
    document = answered.document
    assert document["sources"] == [f"bundled table of {aws_prices.as_of()}"]
    assert document["total"] == pytest.approx(2 * document["hourly"], rel=1e-4)
    assert document["budget_hours"] == pytest.approx(1 / document["hourly"], rel=1e-3)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--type", "x9.huge"), "x9.huge"),
        (("--nodes", "0"), "--nodes"),
        (("--hours", "soon"), "--hours"),
        (("--workers", "free"), "free"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(tmp_path, words, told):
    answered = fab("cost.estimate", "--offline", "--stack", "none", *words, state=tmp_path)
    assert answered.code == 2
    assert told in answered.err
    assert "Next: " in answered.err


def test_an_audit_ends_with_8_and_a_list_and_removes_only_what_it_is_told_to(aws, tmp_path):
    make_cluster(REGION)
    theirs = make_network(boto3.client("ec2"), "course")
    left = fab("cost.audit", "--regions", REGION, "--cluster", CLUSTER, state=tmp_path)
    assert left.code == 8
    assert "LEFT instance" in left.out
    assert f"fab cost.audit --cluster {CLUSTER} --delete" in left.out
    refused = fab("cost.audit", "--regions", REGION, "--delete", state=tmp_path)
    assert (refused.code, "--cluster" in refused.err) == (2, True)
    ours = ("--regions", REGION, "--cluster", CLUSTER)
    done = fab("cost.audit", *ours, "--delete", "--json", state=tmp_path)
    assert done.code == 0, done
    assert (done.document["clean"], len(done.document["removed"])) == (True, 15)
    again = fab("cost.audit", *ours, state=tmp_path)
    assert (again.code, "Clean" in again.out) == (0, True)
    assert boto3.client("ec2").describe_vpcs(VpcIds=[theirs["vpc"]])["Vpcs"]


def test_an_audit_that_saw_nothing_for_want_of_credentials_is_not_clean(aws, tmp_path):
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    answered = fab("cost.audit", "--regions", REGION, state=tmp_path, **nobody)
    assert answered.code == 2
    assert "AWS_PROFILE" in answered.err
