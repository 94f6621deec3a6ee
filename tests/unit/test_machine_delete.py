"""The end of machines that cost on when they are shut down: the head deletes them all."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from contracts import limits, machine_files
from contracts.errors import InvalidDocument
from provision import guard, store
from provision.node import machine_delete, watchdog
from provision.node import store as node_store
from tests.doubles.deleting_cloud import deleting_cloud
from tests.unit.provision_examples import inventory

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(machine_delete, "OTHERS_SECONDS", 0.0)
    monkeypatch.setattr(machine_delete, "AGAIN_SECONDS", 0.0)


def test_the_head_deletes_every_machine_and_itself_last():
    with deleting_cloud("head", "w1", "w2") as cloud:
        machine_delete.delete_all(cloud.ending(), lambda words: None)
        assert cloud.deleted == ["w1", "w2", "head"]


def test_what_the_cloud_fails_to_do_is_tried_again():
    said = []
    with deleting_cloud("head", "w1", failures=(500, 503, 409)) as cloud:
        machine_delete.delete_all(cloud.ending(), said.append)
        assert cloud.deleted == ["w1", "head"], "the head goes last, or nobody tries again"
    assert "delete w1: 500" in said


def test_when_time_is_out_the_head_goes_although_another_would_not(monkeypatch):
    monkeypatch.setattr(machine_delete, "GIVE_UP_SECONDS", -1.0)
    with deleting_cloud("head", "w1", failures=(409,)) as cloud:
        machine_delete.delete_all(cloud.ending(), lambda words: None)
        assert (cloud.deleted, cloud.servers) == (["head"], ["w1"])


def test_a_machine_that_has_gone_already_is_fine():
    with deleting_cloud("head", "w1") as cloud:
        ending = cloud.ending()
        cloud.servers.remove("w1")
        machine_delete.delete_all(ending, lambda words: None)
        assert cloud.deleted == ["head"]


def test_it_gives_up_in_the_end_so_that_the_machine_is_at_least_shut_down(monkeypatch):
    monkeypatch.setattr(machine_delete, "GIVE_UP_SECONDS", -1.0)
    said = []
    with deleting_cloud("head") as cloud:
        cloud.secret = "wrong"
        machine_delete.delete_all(cloud.ending(), said.append)
        assert cloud.servers == ["head"]
    assert len(said) == 1
    assert "401" in said[0]
    assert "wrong" not in said[0]
    machine_delete.delete_all({**cloud.ending(), "auth_url": "http://127.0.0.1:9"}, said.append)
    machine_delete.delete_all(None, said.append)
    assert len(said) == 2


def test_that_it_may_is_proved_without_deleting_anything():
    with deleting_cloud("head", "w1") as cloud:
        assert "may delete" in machine_delete.prove(cloud.ending())
        assert cloud.servers == ["head", "w1"]
        # What a cloud answers that does not know the access rule.
        cloud.allowed.clear()
        with pytest.raises(RuntimeError, match="answered 403 where only 404"):
            machine_delete.prove(cloud.ending())
        cloud.secret = "wrong"
        with pytest.raises(RuntimeError, match="was not asked: HTTP Error 401"):
            machine_delete.prove(cloud.ending())


def test_what_was_told_once_stays_until_something_else_is_told(tmp_path, monkeypatch):
    files = watchdog.Files(*(str(tmp_path / name) for name in ("limits", "first", "report")))
    monkeypatch.setattr(watchdog, "Files", lambda: files)
    monkeypatch.setattr(watchdog.watchdog_service, "install", lambda program: "runs already")
    quiet = {"expires_at": None, "ttl_seconds": 60, "idle_seconds": None}

    def told(**more):
        monkeypatch.setattr("sys.stdin", Stdin(json.dumps({**quiet, **more})))
        watchdog.main(["set"])
        return watchdog.read_limits(files.limits)

    assert told(ending={"id": "c1"}, before={"home": "/h"})["ending"] == {"id": "c1"}
    assert told(ttl_seconds=90)["ending"] == {"id": "c1"}
    assert told()["before"] == {"home": "/h"}
    assert told(ending={"id": "c2"})["ending"] == {"id": "c2"}
    assert (tmp_path / "limits").stat().st_mode & 0o777 == 0o600


class Stdin:
    def __init__(self, text):
        self._text = text

    def read(self):
        return self._text


def test_the_last_work_comes_before_deletion_and_that_before_power_off(tmp_path, monkeypatch):
    did = []
    monkeypatch.setattr(watchdog.machine_end, "last_work", lambda *_: did.append("work"))
    monkeypatch.setattr(machine_delete, "delete_all", lambda what, _: did.append(what))
    monkeypatch.setattr(watchdog.machine_end, "power_off", lambda _: did.append("off"))
    monkeypatch.setattr(watchdog, "_log", lambda words: None)
    limits_file = tmp_path / "limits"
    limits_file.write_text(json.dumps({"ending": {"id": "c1"}}))
    watchdog._end("its time is up", watchdog.Files(limits=str(limits_file)))
    assert did == ["work", {"id": "c1"}, "off"]


def test_the_program_on_the_machine_knows_how(tmp_path):
    program = tmp_path / "watchdog.pyz"
    program.write_bytes(limits.pack(ROOT))
    code = (
        f"import sys; sys.path.insert(0, {str(program)!r})\n"
        "from provision.node import machine_delete as m\n"
        "import json; print(m.prove(json.loads(sys.argv[1])))"
    )
    with deleting_cloud("head") as cloud:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code, json.dumps(cloud.ending())],
            check=True,
            timeout=60,
            capture_output=True,
            text=True,
        )
    assert "may delete" in done.stdout


def test_the_file_of_the_stack_is_read_for_the_machines_it_is_for(tmp_path):
    assert guard.ending(tmp_path, inventory()) is None
    path = machine_files.ending(tmp_path, "example")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"servers": ["i-1", "i-2", "i-0"], "id": "c1"}))
    assert guard.ending(tmp_path, inventory())["id"] == "c1"
    with pytest.raises(InvalidDocument, match="does not have every machine"):
        guard.ending(tmp_path, inventory(4))
    path.write_text("{")
    with pytest.raises(InvalidDocument, match="pulumi up"):
        guard.ending(tmp_path, inventory())


class Link:
    def __init__(self):
        self.files = {}

    def put(self, data, path, mode):
        self.files[path] = (data, mode)


def test_the_buckets_key_is_brought_where_there_is_one(tmp_path):
    links = {"head": Link(), "worker-1": Link()}
    homes = dict.fromkeys(links, "/home/ada/.tandem")
    store.bring_key(links, inventory(2), tmp_path, homes)
    assert links["head"].files == {}
    path = machine_files.store(tmp_path, "example")
    path.parent.mkdir(parents=True)
    path.write_text("[default]\n")
    store.bring_key(links, inventory(2), tmp_path, homes)
    for link in links.values():
        assert link.files == {
            "/home/ada/.tandem/credentials/store.ini": (b"[default]\n", 0o600)
        }


@pytest.mark.slow
def test_a_key_says_where_the_bucket_is(tmp_path, monkeypatch):
    text = (
        "[default]\naws_access_key_id = a1\naws_secret_access_key = opens-nothing\n"
        "endpoint_url = http://127.0.0.1:9/\nrequest_checksum_calculation = when_required\n"
        "s3 =\n    addressing_style = path\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "is set by the call, and forgotten after the test")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # a node's process has none yet
    others = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
    for name in others:
        monkeypatch.delenv(name, raising=False)
    key = tmp_path / ".tandem" / node_store.CREDENTIALS
    key.parent.mkdir(parents=True)
    key.write_text(text)
    client = node_store._client("us-east-1")
    assert client.meta.endpoint_url == "http://127.0.0.1:9/"
    assert client.meta.config.s3["addressing_style"] == "path"
    assert client._request_signer._credentials.access_key == "a1"
    client.close()


def test_the_inventory_may_say_where_its_bucket_is():
    ours = inventory(bucket="b", bucket_region="local")
    assert store.request(ours, "head")["region"] == "local"
    assert store.request(inventory(bucket="b"), "head")["region"] == "here"
