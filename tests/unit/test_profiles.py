"""Whose account is asked: the one of the stack's credentials, and every answer names it."""

import boto3
import pytest
from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import UsageError
from cost.account import Account, NoCredentials
from infra import aws_access, stack_file
from tasks import access, audit, cost
from tests.doubles.aws_cluster import make_network
from tests.in_process import answer
from tests.unit.provision_examples import inventory

pytestmark = pytest.mark.slow

OURS, THEIRS = "123456789012", "111122223333"
REGION = "eu-north-1"
STACK = "config:\n  tandem:provider: aws\n  tandem:name: {}\n  aws:region: {}\n"


@pytest.fixture
def folder(aws, tmp_path, monkeypatch):
    """A folder with the stack of cluster lab, whose account is another than the SDK's own."""
    role = f"arn:aws:iam::{THEIRS}:role/research"
    found = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    (tmp_path / "credentials").write_text(
        f"[research]\naws_access_key_id = {found['AccessKeyId']}\n"
        f"aws_secret_access_key = {found['SecretAccessKey']}\n"
        f"aws_session_token = {found['SessionToken']}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    text = STACK.format("lab", "eu-west-1") + "  aws:profile: research\n"
    (tmp_path / "Pulumi.aws.yaml").write_text(text)
    return tmp_path


def theirs(region):
    return boto3.Session(profile_name="research").client("ec2", region_name=region)


def test_an_account_is_that_of_its_profile_or_the_sdks_own(folder):
    assert Account(REGION).number() == OURS
    assert Account(REGION, profile="research").number() == THEIRS
    with pytest.raises(NoCredentials, match="nowhere"):
        Account(REGION, profile="nowhere")


@pytest.mark.parametrize("options", [{"cluster": "lab"}, {}, {"stack": "aws"}])
def test_an_audit_looks_into_the_stacks_account_and_names_it(folder, capsys, options):
    make_network(theirs("eu-west-1"))
    code, found = answer(audit.audit, capsys, regions="eu-west-1", **options)
    assert (code, found["account"]) == (8, THEIRS)
    assert {one["cluster"] for one in found["found"]} == {"lab"}


def test_stacks_in_different_accounts_make_an_audit_ask_which(folder, capsys):
    (folder / "Pulumi.course.yaml").write_text(STACK.format("course", REGION))
    code, found = answer(audit.audit, capsys, regions=REGION)
    assert (code, "aws has research, course has none" in found["problem"]) == (2, True)
    code, found = answer(audit.audit, capsys, regions=REGION, cluster="course")
    assert (code, found["account"]) == (0, OURS)
    code, found = answer(audit.audit, capsys, regions=REGION, stack="nothing")
    assert (code, "Pulumi.nothing.yaml" in found["problem"]) == (2, True)


def test_show_looks_where_the_stack_says_and_names_account_and_region(folder, capsys):
    code, found = answer(cost.show, capsys)
    assert (code, found["account"], found["regions"]) == (0, THEIRS, ["eu-west-1"])
    cost.show(Context())
    told = capsys.readouterr().out
    assert f"Nothing runs in eu-west-1, account {THEIRS}." in told


def test_the_rule_of_the_stacks_account_is_changed(folder, capsys):
    ec2 = theirs(REGION)
    group = make_network(ec2)["group"]
    aws_access.allow(ec2, group, "198.51.100.7/32")
    (folder / "state").mkdir()
    inventories.dump(
        inventory(cluster_id="lab", provider="aws", region=REGION, security_group_id=group),
        folder / "state" / "inventory.json",
    )
    code, found = answer(access.allow, capsys, address="203.0.113.9")
    assert (code, aws_access.blocks(ec2, group)) == (0, ("203.0.113.9/32",)), found


def test_a_stack_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"Pulumi\.nothing\.yaml"):
        stack_file.profile(stack="nothing", folder=tmp_path)
    assert stack_file.profile(folder=tmp_path) is None
