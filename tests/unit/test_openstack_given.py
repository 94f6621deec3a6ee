"""What the doctor says of things that a stack is given, and of a stack that there is not."""

from pathlib import Path

from infra import openstack_checks as checks
from infra.openstack_settings import parse_openstack
from tests.command_line import fab
from tests.doubles.scripted_openstack import ScriptedCloud, failure, thing


def settings(**given):
    return parse_openstack({"name": "demo", **given}, state=Path("/state"), user="ada")


def test_a_container_that_is_given_has_to_be_there():
    cloud = ScriptedCloud(get_container_metadata=[thing(metadata={}), failure(404)])
    cloud.has_service = lambda name: True
    assert not list(checks.container(cloud, settings()))
    (there,) = checks.container(cloud, settings(bucket="mine"))
    (missing,) = checks.container(cloud, settings(bucket="mine"))
    assert (there.state, missing.state) == ("ok", "bad")
    assert "openstack container create mine" in missing.fix


def test_a_misspelt_stack_is_not_taken_for_one_of_local_machines(tmp_path):
    answered = fab("doctor", "--stack", "scc", "--json", state=tmp_path)
    assert answered.code == 2
    assert "Pulumi.scc.yaml" in answered.err
    assert "pulumi stack ls" in answered.err
