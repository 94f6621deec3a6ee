"""The policy that an account's keeper gives the operator has all that our own code calls."""

import ast
import json
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import get_session

ROOT = Path(__file__).resolve().parents[2]
POLICY = json.loads((ROOT / "docs" / "aws-operator-policy.json").read_text())
ALLOWED = {action for one in POLICY["Statement"] for action in one["Action"]}


def words_of(folder):
    """Yield every name and text in the code that runs on the operator's side."""
    for path in (ROOT / folder).rglob("*.py"):
        if "node" not in path.parts:
            for one in ast.walk(ast.parse(path.read_text())):
                if isinstance(one, ast.Attribute):
                    yield one.attr
                elif isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one.value


@pytest.mark.parametrize("service", ["ec2", "iam", "pricing", "sts"])
def test_every_call_of_ours_is_allowed(service):
    operations = get_session().get_service_model(service).operation_names
    named = {xform_name(one): f"{service}:{one}" for one in operations}
    used = {word for folder in ("infra", "cost", "tasks") for word in words_of(folder)}
    called = {named[word] for word in used & set(named)}
    assert called, service
    assert called <= ALLOWED, called - ALLOWED


@pytest.mark.parametrize("service", ["ec2", "iam"])
def test_no_action_is_misspelt(service):
    known = {
        f"{service}:{one}" for one in get_session().get_service_model(service).operation_names
    }
    given = {one for one in ALLOWED if one.startswith(f"{service}:")}
    assert given - known <= {"iam:PassRole"}


def test_roles_and_buckets_are_ours_alone():
    for one in POLICY["Statement"]:
        if one["Sid"] in ("TheRoleOfTheMachines", "TheBucket"):
            assert all("tandem-" in arn for arn in one["Resource"])
        else:
            assert not [action for action in one["Action"] if action.startswith("s3:Delete")]
