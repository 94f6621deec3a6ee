"""The verbs of money as a user types them: what they print, and how they end."""

import datetime
import getpass

import boto3
import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from contracts import aws_prices
from cost import audit as audits
from cost.account import Account
from cost.found import REGIONAL
from infra.cloud_rules import clean_owner
from tasks import audit
from tests.command_line import fab
from tests.doubles.aws_cluster import CLUSTER, make_cluster, make_network
from tests.in_process import answer

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
    own(CLUSTER)
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


def test_a_colleagues_live_cluster_is_not_left_and_not_removed_just_so(
    aws, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))
    theirs = make_network(boto3.client("ec2"), "course")
    own("course", owner="grace", hours=5)
    code, found = answer(audit.audit, capsys, regions=REGION)
    assert (code, found["clean"], len(found["found"])) == (0, True, 5)
    assert "grace's and its time goes on" in found["in_use"]["course"]
    audit.audit(Context(), regions=REGION)
    told = capsys.readouterr().out
    assert "IN USE 5 things of cluster course" in told
    assert "--delete" not in told
    asked = {"regions": REGION, "cluster": "course"}
    assert answer(audit.audit, capsys, **asked)[0] == 8, "asked for by name, it counts"
    code, found = answer(audit.audit, capsys, delete=True, **asked)
    assert (code, "--in-use" in found["next_step"]) == (4, True)
    assert boto3.client("ec2").describe_vpcs(VpcIds=[theirs["vpc"]])["Vpcs"]
    assert answer(audit.audit, capsys, delete=True, in_use=True, **asked)[0] == 0


@pytest.mark.parametrize(("owner", "hours"), [("grace", -1), (None, 5)])
def test_what_is_over_or_ones_own_is_left_and_no_command_removes_what_is_in_use(
    aws, tmp_path, monkeypatch, capsys, owner, hours
):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))
    make_network(boto3.client("ec2"), "course")
    own("course", owner=owner, hours=hours)
    with pytest.raises(Exit) as ended:
        audit.audit(Context(), regions=REGION)
    told = capsys.readouterr().out
    assert (ended.value.code, "LEFT subnet" in told, "--delete" in told) == (8, True, False)


def own(cluster, owner=None, hours=-1):
    """Let a cluster belong to someone, by default to whoever runs the tests, until then."""
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    tags = {"tandem:owner": owner or clean_owner(getpass.getuser())}
    tags["tandem:expires-at"] = end.isoformat(timespec="seconds")
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    found = audits.audit(Account(), [REGION], cluster).found
    names = [one.id for one in found if one.kind in REGIONAL]
    boto3.client("ec2").create_tags(Resources=names, Tags=listed)
    iam = boto3.client("iam")
    for one in found:
        if one.kind == "bucket":
            every = [*listed, {"Key": "tandem:cluster", "Value": cluster}]
            boto3.client("s3").put_bucket_tagging(Bucket=one.id, Tagging={"TagSet": every})
        elif one.kind == "role":
            iam.tag_role(RoleName=one.id, Tags=listed)
        elif one.kind == "instance profile":
            iam.tag_instance_profile(InstanceProfileName=one.id, Tags=listed)


def test_an_audit_that_saw_nothing_for_want_of_credentials_is_not_clean(aws, tmp_path):
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    answered = fab("cost.audit", "--regions", REGION, state=tmp_path, **nobody)
    assert answered.code == 2
    assert "AWS_PROFILE" in answered.err
