"""What a killed `up` left behind goes by its mark; the login; files with secrets."""

import pytest
from keystoneauth1.exceptions import ConnectTimeout

from contracts.errors import RefusedError, TandemError
from infra import openstack_strays, openstack_sweep
from infra.openstack_calls import Denied, NoAnswer, NoLogin, cloud_of, connect, in_our_words
from infra.openstack_strays import SweepProvider
from infra.openstack_sweep import EVERYTHING, MACHINES, sweep
from infra.secret_file import SecretFileProvider
from tests.doubles.scripted_openstack import ScriptedCloud, failure, thing

MARK = "0a1b2c3d"
PUBLIC = "ssh-ed25519 AAAAC3Nza operator"


def neutron(id_, **more):
    """A thing of the network with the mark in its tags, unless `more` says otherwise."""
    usual = {"id": id_, "name": id_, "tags": ["x", f"tandem:stack={MARK}"]}
    return thing(**{**usual, **more})


def test_machines_go_first_and_only_those_with_the_mark():
    servers = [
        thing(id="s1", metadata={"tandem:stack": MARK}),
        thing(id="s2", metadata={"tandem:stack": "another"}),
        thing(id="s3", metadata=None),
    ]
    cloud = ScriptedCloud(
        servers=[servers],
        get_server=[failure(404)],
        ports=[
            [neutron("p1"), neutron("p9", tags=None)],
            [thing(id="p2", device_owner="network:router_interface")],
        ],
        # A second call would have tagged it, and the `up` was killed before that.
        ips=[
            [
                neutron("a1", tags=[], description=f"tandem-demo-head-{MARK}"),
                neutron("a2", tags=[], description=f"of-others-{MARK}"),
            ]
        ],
        routers=[[neutron("r1"), neutron("r2", tags=["tandem:stack=ffffffff"])]],
        networks=[[neutron("n1", tags=[], name=f"tandem-demo-network-{MARK}")]],
        security_groups=[[neutron("g1")]],
        application_credentials=[
            [
                thing(name=f"tandem-demo-ending-{MARK}", access_rules=[{"id": "rule"}]),
                thing(name="tandem-demo-ending-ffffffff"),
                thing(name=f"mine-{MARK}"),
            ]
        ],
        volumes=[[]],
        containers=[[thing(name=f"tandem-demo-results-{MARK}"), thing(name="theirs")]],
        keypairs=[
            [
                thing(name="tandem-demo-key-1a2b3c4", public_key="ssh-ed25519 AAAAC3Nza x"),
                thing(name="mine", public_key=PUBLIC),
                thing(name="tandem-demo-key-ffffff", public_key="ssh-ed25519 BBBB x"),
            ]
        ],
    )
    cloud.current_project_id, cloud.has_service = "project", lambda name: True
    sweep(cloud, MARK, EVERYTHING, PUBLIC)
    did = [name for name, *_ in cloud.calls if name.startswith(("delete", "remove"))]
    assert did == [
        "delete_server",
        "delete_port",
        "delete_ip",
        "remove_interface_from_router",
        "delete_router",
        "delete_network",
        "delete_security_group",
        "delete_application_credential",
        "delete_access_rule",
        "delete_container",
        "delete_keypair",
    ]
    assert cloud.asked("delete_server") == ["s1"]
    gone = [cloud.asked(f"delete_{one}")[0].id for one in ("port", "ip", "router", "network")]
    assert gone == ["p1", "a1", "r1", "n1"]
    assert cloud.asked("delete_keypair") == ["tandem-demo-key-1a2b3c4"]
    asked = [o for name, _, o in cloud.calls if name in ("ips", "routers", "networks")]
    assert asked == [{"project_id": "project"}] * 4


def test_volumes_that_machines_left_go_and_those_in_use_do_not():
    def volume(id_, status="available", mark=MARK):
        return thing(id=id_, status=status, metadata={"tandem:stack": mark})

    bare = thing(id="v4", status="available", metadata=None)
    volumes = [volume("v1"), volume("v2", "in-use"), volume("v3", mark="another"), bare]
    cloud = ScriptedCloud(
        volumes=[[*volumes, volume("v5", "error")]], delete_volume=[failure(400), None]
    )
    cloud.has_service = lambda name: True
    sweep(cloud, MARK, ["volume"])
    assert cloud.asked("delete_volume") == ["v1", "v5"]
    cloud.has_service = lambda name: False
    sweep(cloud, MARK, ["volume"])
    assert len(cloud.asked("volumes")) == 1


def test_a_container_that_holds_objects_stays():
    name = f"tandem-demo-results-{MARK}"
    cloud = ScriptedCloud(containers=[[thing(name=name)]], delete_container=[failure(409)])
    cloud.has_service = lambda name: True
    sweep(cloud, MARK, ["container"])
    assert cloud.asked("delete_container") == [name]


def test_what_is_still_held_is_tried_again_until_the_deadline(monkeypatch):
    monkeypatch.setattr(openstack_sweep, "_AGAIN_SECONDS", 0.0)
    held = ScriptedCloud(networks=[[neutron("n1")]], delete_network=[failure(409), None])
    held.current_project_id = "project"
    sweep(held, MARK, ["network"])
    assert len(held.asked("delete_network")) == 2
    monkeypatch.setattr(openstack_sweep, "RELEASE_SECONDS", -1.0)
    for_ever = ScriptedCloud(networks=[[neutron("n1")]], delete_network=[failure(409)])
    for_ever.current_project_id = "project"
    with pytest.raises(Exception, match="it failed"):
        sweep(for_ever, MARK, ["network"])


def test_the_mark_is_made_once_and_stays(monkeypatch):
    swept = []
    cloud = ScriptedCloud()
    monkeypatch.setattr(openstack_strays, "cloud_of", cloud.as_cloud_of)
    monkeypatch.setattr(openstack_strays, "sweep", lambda *given: swept.append(given[1:]))
    provider = SweepProvider()
    props = {"cloud": None, "region": None, "kinds": list(MACHINES), "public": PUBLIC}
    made = provider.create(props)
    assert len(made.id) == 8
    assert made.outs["mark"] == made.id
    assert provider.create(props).id != made.id
    assert provider.create({**props, "mark": MARK}).id == MARK
    assert provider.diff(made.id, made.outs, props).changes is False
    assert provider.diff(made.id, made.outs, {**props, "region": "x"}).changes is True
    assert provider.update(made.id, made.outs, {**props, "region": "x"}).outs["mark"] == made.id
    assert not swept
    provider.delete(made.id, made.outs)
    assert swept == [(made.id, list(MACHINES), PUBLIC)]


@pytest.fixture
def nobody(tmp_path, monkeypatch):
    for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_without_a_cloud_to_log_in_to_it_is_said_how(nobody):
    with pytest.raises(NoLogin) as caught:
        connect("ssc", None)
    assert "ssc" in str(caught.value)
    assert "openrc.sh" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_cloud_that_does_not_answer_is_told_as_that(nobody, monkeypatch):
    monkeypatch.setattr("infra.openstack_calls.ATTEMPTS", 0)
    variables = {
        "AUTH_URL": "http://127.0.0.1:9/v3",
        "USERNAME": "ada",
        "PASSWORD": "lace-not-told",
        "PROJECT_NAME": "p",
        "USER_DOMAIN_NAME": "d",
        "PROJECT_DOMAIN_NAME": "d",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"OS_{name}", value)
    with pytest.raises(RuntimeError) as caught, cloud_of({"cloud": None}, "go") as link:
        link.session.get_token()
    assert "Cannot go: a service of the cloud was not reached" in str(caught.value)
    assert "lace" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (failure(401, "expired"), NoLogin, "the login expired"),
        (failure(403, "Policy doesn't allow"), Denied, "not allowed to"),
        (failure(403, "Quota exceeded for cores: 8 of 8"), TandemError, "quota is used up"),
        (failure(409, "Quota exceeded for resources: ['port']."), TandemError, "quota"),
        (failure(500, "oh"), NoAnswer, "the cloud failed with 500"),
        (failure(400, "bad flavor"), TandemError, "Cannot test."),
        (ConnectTimeout("timed out"), NoAnswer, "was not reached"),
    ],
)
def test_each_refusal_is_said_as_what_it_is(error, kind, words):
    with pytest.raises(kind) as caught, in_our_words("test"):
        raise error
    assert type(caught.value) is kind
    assert words in str(caught.value)


def test_an_error_of_ours_passes():
    with pytest.raises(RefusedError), in_our_words("test"):
        raise RefusedError("no")


def test_a_file_with_a_secret_is_its_owners_and_is_mended(tmp_path):
    path = tmp_path / "machines" / "demo" / "ending.json"
    props, provider = {"path": str(path), "content": "{}"}, SecretFileProvider()
    made = provider.create(props)
    assert path.read_text() == "{}"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert provider.diff(made.id, props, props).changes is False
    path.chmod(0o644)
    assert provider.diff(made.id, props, props).changes is True
    path.unlink()
    assert provider.diff(made.id, props, props).changes is True
    provider.update(made.id, props, {**props, "content": "[]"})
    assert path.read_text() == "[]"
    moved = provider.diff(made.id, props, {**props, "path": str(tmp_path / "x")})
    assert moved.replaces == ["path"]
    provider.delete(made.id, props)
    provider.delete(made.id, props)
    assert not path.exists()
