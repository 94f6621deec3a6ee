"""What `fab cost.audit`, `cost.show` and more time do for a stack on OpenStack."""

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from cost.audit import Audit
from infra import stack_file
from infra.openstack_calls import NoLogin
from tasks import audit as audits
from tasks import care, cost_openstack
from tasks import cost as costs
from tests.doubles.scripted_openstack import thing
from tests.in_process import answer
from tests.unit.openstack_project import cloud
from tests.unit.provision_examples import inventory


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with one stack, whose project has things of two clusters."""
    text = "config:\n  tandem:provider: openstack\n  tandem:name: demo\n"
    (tmp_path / "Pulumi.ours.yaml").write_text(text)
    there = cloud()
    there.close = lambda: None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(cost_openstack, "connect", lambda cloud, region: there)
    return there


@pytest.mark.parametrize("asked", [{"stack": "ours"}, {"cluster": "demo"}])
def test_the_verb_names_the_project_and_how_to_remove_what_is_nobodys(project, capsys, asked):
    code, found = answer(audits.audit, capsys, regions="x", **asked)
    assert (code, found["account"], found["clean"]) == (8, "p", False)
    assert found["found"][0]["id"] == "s1"
    with pytest.raises(Exit):
        audits.audit(Context(), regions="x", stack="ours")
    told = capsys.readouterr().out
    assert "project p, x in" in told
    assert "fab cost.audit --stack ours --cluster other --delete" in told
    assert "demo: it is ada's" in told


def test_the_verb_removes_anothers_machines_when_that_is_meant(project, capsys):
    asked = {"regions": "x", "cluster": "demo", "delete": True}
    code, found = answer(audits.audit, capsys, **asked)
    assert (code, "--in-use" in found["next_step"]) == (4, True)
    assert not project.asked("delete_server")
    for name in ("servers", "ips", "ports", "routers", "networks"):
        project._answers[name] = [*project._answers[name], []]
    code, found = answer(audits.audit, capsys, in_use=True, **asked)
    assert project.asked("delete_server") == ["s1"]
    assert {"server", "address", "router", "network"} <= {
        one["kind"] for one in found["removed"]
    }


def test_a_cluster_of_several_projects_makes_an_audit_ask_which(project, tmp_path, capsys):
    (tmp_path / "Pulumi.other.yaml").write_text((tmp_path / "Pulumi.ours.yaml").read_text())
    code, found = answer(audits.audit, capsys, cluster="demo")
    assert (code, found["next_step"]) == (2, "--stack other, or another of them")


def test_a_cluster_that_both_clouds_have_is_looked_for_in_both(
    project, tmp_path, capsys, monkeypatch
):
    same = "config:\n  tandem:provider: aws\n  tandem:name: demo\n"
    (tmp_path / "Pulumi.aws.yaml").write_text(same)
    account = Audit(("eu-north-1",), (), {}, 0.1)
    monkeypatch.setattr(audits, "Account", lambda profile: thing(number=lambda: "1234"))
    monkeypatch.setattr(audits.audits, "audit", lambda *given: account)
    monkeypatch.setattr(cost_openstack, "regions", lambda link: ("x",))
    code, found = answer(audits.audit, capsys, cluster="demo")
    assert (code, found["clean"]) == (8, False)
    assert found["stacks"]["aws"]["clean"] is True
    assert found["stacks"]["ours"]["found"][0]["id"] == "s1"
    code, found = answer(audits.audit, capsys, cluster="demo", regions="x")
    assert (code, found["next_step"]) == (2, "--stack aws, or the other one")

    def nobody(profile):
        raise NoLogin("There are no credentials.", next_step="log in")

    empty = {name: [[]] for name in project._answers}
    project._answers.update(empty)
    monkeypatch.setattr(audits, "Account", nobody)
    code, found = answer(audits.audit, capsys, cluster="demo")
    assert (code, found["clean"]) == (3, False)
    assert found["stacks"]["aws"]["unseen"] == {"aws": "There are no credentials."}
    assert found["stacks"]["ours"]["clean"] is True


def test_what_runs_on_openstack_is_told_by_the_inventory_alone(project, capsys):
    code, found = answer(costs.show, capsys, stack="ours")
    assert (code, "reads the inventory" in found["next_step"]) == (2, True)


def test_more_time_is_written_into_the_stacks_of_the_same_cloud(project, tmp_path):
    same = "config:\n  tandem:provider: aws\n  tandem:name: demo\n"
    (tmp_path / "Pulumi.aws.yaml").write_text(same)
    notes = care._tell_account(inventory(provider="openstack", cluster_id="demo", ttl_hours=9))
    assert notes[0] == "Written into Pulumi.ours.yaml, too."
    assert "until the next pulumi up" in notes[1]
    assert stack_file.read("ours")["tandem:ttl-hours"] == "9"
    assert (tmp_path / "Pulumi.aws.yaml").read_text() == same
