"""One machine on OpenStack: what nova is asked for, and what becomes of one that fails."""

import pytest
from keystoneauth1.exceptions import ConnectFailure

from contracts.errors import RefusedError
from infra import openstack_server
from infra.openstack_server import ServerProvider, fault_words, request, settle
from tests.doubles.scripted_openstack import ScriptedCloud, failure, thing

PROPS = {
    "name": "tandem-demo-node-2",
    "node": "node-2",
    "image": "i3",
    "image_name": "Ubuntu",
    "flavor": "f1",
    "flavor_name": "ssc.small",
    "key_name": "key-made",
    "port": "p2",
    "user_data": "ZGF0YQ==",
    "metadata": {"tandem:stack": "0a1b", "tandem:node": "node-2", "tandem:cluster": "demo"},
    "cloud": None,
    "region": None,
    "zone": None,
    "volume_gib": None,
    "volume_type": None,
}
ACTIVE, BUILD, ASLEEP = (thing(status=one) for one in ("ACTIVE", "BUILD", "SHUTOFF"))
NO_HOST = thing(status="ERROR", fault={"message": "No valid host was found.", "code": 500})
GONE = failure(404)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(openstack_server, "POLL_SECONDS", 0.0)


@pytest.fixture
def on(monkeypatch):
    """Give a function that makes the provider speak to a scripted cloud."""

    def script(**answers):
        cloud = ScriptedCloud(**{"servers": [[]], **answers})
        monkeypatch.setattr(openstack_server, "cloud_of", cloud.as_cloud_of)
        return cloud, ServerProvider()

    return script


def server(**changes):
    usual = {
        "id": "s9",
        "status": "BUILD",
        "metadata": dict(PROPS["metadata"]),
        "flavor": thing(id=None, original_name="ssc.small"),
    }
    return thing(**{**usual, **changes})


def test_nova_is_asked_for_a_machine_on_its_own_port_from_an_image():
    wanted = request(PROPS)
    assert wanted["image_id"] == "i3"
    assert wanted["networks"] == [{"port": "p2"}]
    assert wanted["key_name"] == "key-made"
    assert wanted["metadata"] == PROPS["metadata"]
    assert "availability_zone" not in wanted
    assert "block_device_mapping" not in wanted


def test_a_machine_that_boots_from_a_volume_takes_it_along_when_it_goes():
    wanted = request({**PROPS, "volume_gib": 40.0, "volume_type": "fast", "zone": "gpu"})
    assert "image_id" not in wanted
    assert wanted["availability_zone"] == "gpu"
    assert wanted["block_device_mapping"] == [
        {
            "boot_index": 0,
            "uuid": "i3",
            "source_type": "image",
            "destination_type": "volume",
            "volume_size": 40,
            "delete_on_termination": True,
            "volume_type": "fast",
        }
    ]


def test_the_volume_that_nova_made_says_whose_it_is(on):
    attached = [[thing(volume_id="v1")]]
    cloud, provider = on(
        create_server=[thing(id="s1")], get_server=[ACTIVE], volume_attachments=attached
    )
    provider.create({**PROPS, "volume_gib": 40})
    ((_, args, marks),) = [one for one in cloud.calls if one[0] == "set_volume_metadata"]
    assert (args, marks) == (("v1",), PROPS["metadata"])
    # By then it may have a volume that somebody attached, which is nothing of the stack's.
    provider.update("s1", PROPS, {**PROPS, "volume_gib": 40})
    assert cloud.asked("set_volume_metadata") == ["v1"]
    cloud, provider = on(
        create_server=[thing(id="s1")], get_server=[ACTIVE], volume_attachments=[failure(403)]
    )
    assert provider.create({**PROPS, "volume_gib": 40}).id == "s1"
    provider.create(PROPS)
    assert len(cloud.asked("volume_attachments")) == 1


def test_a_machine_is_waited_for(on):
    cloud, provider = on(create_server=[thing(id="s1")], get_server=[BUILD, BUILD, ACTIVE])
    assert provider.create(PROPS).id == "s1"
    assert len(cloud.asked("get_server")) == 3
    assert not cloud.asked("delete_server")


def test_a_machine_in_error_is_deleted_and_its_fault_told_at_once(on):
    cloud, provider = on(create_server=[thing(id="s1")], get_server=[BUILD, NO_HOST, GONE])
    with pytest.raises(RuntimeError) as caught:
        provider.create(PROPS)
    assert "node-2 could not be made and was deleted again: No valid host" in str(caught.value)
    assert "Next: another flavor or zone" in str(caught.value)
    assert cloud.asked("delete_server") == ["s1"]


def test_services_that_fail_now_and_then_do_not_make_a_machine_fail():
    flaky = [failure(500), failure(503), BUILD, failure(502), ACTIVE]
    settle(ScriptedCloud(get_server=flaky), "s1", "node-2")
    with pytest.raises(Exception, match="it failed"):
        settle(ScriptedCloud(get_server=[failure(500)]), "s1", "node-2")


def test_a_machine_that_is_never_ready_is_deleted_after_the_deadline():
    cloud = ScriptedCloud(get_server=[BUILD, GONE])
    with pytest.raises(RuntimeError, match=r"(?s)in vain.*Last state seen: BUILD.*Next:"):
        settle(cloud, "s1", "node-2", seconds=-1)
    assert cloud.asked("delete_server") == ["s1"]


def test_a_machine_that_vanishes_while_it_is_made_is_told():
    with pytest.raises(RuntimeError, match="node-2 vanished"):
        settle(ScriptedCloud(get_server=[BUILD, GONE]), "s1", "node-2")


@pytest.mark.parametrize(
    ("told", "advice"),
    [
        ("Quota exceeded for cores", "fab doctor"),
        ("Exceeded maximum number of retries.", "another flavor, zone or network"),
        ("Volume did not finish being created", "volume-gib"),
        ("Something else", "pulumi up again"),
        (None, "pulumi up again"),
    ],
)
def test_each_fault_has_its_advice(told, advice):
    words = fault_words("node-1", {"message": told} if told else None)
    assert f"Next: {advice}" in words or advice in words.split("Next: ")[1]
    assert (told or "nova tells no reason") in words


def test_what_a_killed_up_made_is_taken_over(on):
    cloud, provider = on(servers=[[server()]], get_server=[BUILD, ACTIVE])
    assert provider.create(PROPS).id == "s9"
    assert not cloud.asked("create_server")


def test_a_machine_whose_answer_was_lost_is_taken_over(on):
    lost = ConnectFailure("the connection was closed")
    cloud, provider = on(servers=[[], [server()]], create_server=[lost], get_server=[ACTIVE])
    assert provider.create(PROPS).id == "s9"
    assert len(cloud.asked("create_server")) == 1
    cloud, provider = on(create_server=[lost, lost, thing(id="s1")], get_server=[ACTIVE])
    assert provider.create(PROPS).id == "s1"
    _, provider = on(create_server=[lost])
    with pytest.raises(ConnectFailure):
        provider.create(PROPS)


@pytest.mark.parametrize(
    ("changes", "deleted"),
    [
        ({"metadata": {"tandem:stack": "another", "tandem:node": "node-2"}}, []),
        ({"metadata": {"tandem:stack": "0a1b", "tandem:node": "node-20"}}, []),
        ({"metadata": None}, []),
        ({"status": "ERROR"}, ["s9"]),
        # It ended by itself since, and would do so again.
        ({"status": "SHUTOFF"}, ["s9"]),
        ({"flavor": thing(id="f7", original_name="ssc.large")}, ["s9"]),
    ],
)
def test_what_is_not_this_machine_or_of_no_use_is_not_taken_over(on, changes, deleted):
    cloud, provider = on(
        servers=[[server(**changes)]],
        create_server=[thing(id="s1")],
        get_server=[*([GONE] if deleted else []), ACTIVE],
    )
    assert provider.create(PROPS).id == "s1"
    assert cloud.asked("delete_server") == deleted


@pytest.mark.parametrize(
    ("news", "state", "replaces", "changes"),
    [
        ({}, ACTIVE, [], False),
        ({"user_data": "bmV3"}, ACTIVE, [], False),
        ({"image": "i9"}, ACTIVE, [], False),
        ({"image_name": "Debian"}, ACTIVE, ["image_name"], True),
        ({"flavor": "f2"}, ACTIVE, ["flavor"], True),
        ({"port": "p9"}, ACTIVE, ["port"], True),
        ({"volume_gib": 40}, ACTIVE, ["volume_gib"], True),
        ({"metadata": {}}, ACTIVE, [], True),
        ({}, ASLEEP, [], True),
        ({}, GONE, ["node"], True),
        ({}, thing(status="SOFT_DELETED"), ["node"], True),
        ({}, NO_HOST, ["node"], True),
    ],
)
def test_a_machine_is_made_anew_for_what_it_is_made_of_and_if_it_is_not_well(
    on, news, state, replaces, changes
):
    _, provider = on(get_server=[state])
    found = provider.diff("s1", PROPS, {**PROPS, **news})
    assert (found.replaces, found.changes) == (replaces, changes)
    assert found.delete_before_replace is True


def test_a_machine_that_was_switched_off_is_started_and_its_metadata_written(on):
    cloud, provider = on(get_server=[ASLEEP, ACTIVE])
    provider.update("s1", PROPS, {**PROPS, "metadata": {"tandem:expires-at": "later"}})
    assert cloud.asked("start_server") == ["s1"]
    ((_, _, written),) = [one for one in cloud.calls if one[0] == "set_server_metadata"]
    assert written == {"tandem:expires-at": "later"}


def test_a_machine_that_switched_itself_off_when_its_time_was_up_is_made_anew(on):
    """Its time is counted from its first start, so that it would end again at once."""
    _, provider = on(get_server=[ASLEEP])
    for end, replaces in (("2020-01-01T00:00:00+00:00", ["node"]), ("2999-01-01T00:00Z", [])):
        olds = {**PROPS, "metadata": {**PROPS["metadata"], "tandem:expires-at": end}}
        found = provider.diff("s1", olds, PROPS)
        assert (found.replaces, found.changes) == (replaces, True)


def test_a_machine_that_somebody_paused_gets_its_marks_and_is_kept(on):
    cloud, provider = on(get_server=[thing(status="PAUSED"), GONE])
    provider.update("s1", PROPS, PROPS)
    assert cloud.asked("set_server_metadata") == ["s1"]
    assert not cloud.asked("delete_server")


def test_a_refresh_sees_a_machine_that_has_gone(on):
    _, provider = on(get_server=[GONE])
    assert provider.read("s1", PROPS).id == ""
    _, provider = on(get_server=[ASLEEP])
    assert provider.read("s1", PROPS).id == "s1"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"project": "of-another-course"}, "in project of-another-course, .* for p[.]"),
        ({"project": "p", "site_region": "WEST-1"}, "in region WEST-1, .* for EAST-1[.]"),
    ],
)
def test_elsewhere_a_machine_is_not_taken_for_gone(on, place, words):
    there = {**PROPS, **place}
    cloud, provider = on(get_server=[GONE])
    for ask in (
        lambda: provider.diff("s1", there, PROPS),
        lambda: provider.read("s1", there),
        lambda: provider.delete("s1", there),
    ):
        with pytest.raises(RefusedError, match=f"(?s){words}.*openrc"):
            ask()
    assert not cloud.asked("delete_server")
    provider.delete("s1", {**PROPS, "project": "p", "site_region": "EAST-1"})
    # The login named no region then.
    provider.delete("s1", {**PROPS, "site_region": "RegionOne"})
    # Made before places were noted.
    provider.delete("s1", PROPS)
    assert cloud.asked("delete_server") == ["s1"] * 3


def test_deleting_waits_until_the_machine_has_gone(on, monkeypatch):
    cloud, provider = on(get_server=[ACTIVE, ACTIVE, GONE])
    provider.delete("s1", PROPS)
    assert len(cloud.asked("get_server")) == 3
    _, provider = on(get_server=[ACTIVE])
    with pytest.raises(RuntimeError, match=r"(?s)to go, in vain.*Last state seen: ACTIVE"):
        openstack_server.delete(ScriptedCloud(get_server=[ACTIVE]), "s1", seconds=-1)
