"""The database's server: who may connect, what it is told, and what is never in a request."""

import json
import stat

import pytest

from contracts import database as files
from contracts import ports
from contracts.errors import BAD_USAGE, DONE
from provision import database
from provision.credentials import Credentials
from provision.node import database_files, database_install
from provision.node.program import Failure
from tasks.data_load import load
from tests.in_process import answer
from tests.unit.provision_examples import inventory

MACHINES = inventory(3)


@pytest.fixture
def secrets(tmp_path):
    return Credentials(tmp_path, MACHINES).for_database(MACHINES.head)


def test_only_members_are_let_in_by_address_over_tls_with_a_password():
    text = database_files.doors("tandem", "tandem", ["10.0.0.10", "10.0.0.11"], "owner")
    assert text.splitlines() == [
        "local all owner peer map=machine",
        "hostssl tandem tandem 10.0.0.10/32 scram-sha-256",
        "hostssl tandem tandem 10.0.0.11/32 scram-sha-256",
    ]


def test_the_server_listens_on_the_clusters_address_alone(secrets):
    request = database.start_request(MACHINES, secrets)
    lines = database_files.server("/home/a/.tandem", request).splitlines()
    assert "listen_addresses = '10.0.0.10'" in lines
    assert f"port = '{ports.DATABASE.first}'" in lines
    assert "ssl = 'on'" in lines
    assert ports.DATABASE in ports.open_to(ports.Audience.MEMBERS)


def test_every_machine_is_a_member_and_no_secret_is_in_the_request(secrets):
    request = database.start_request(MACHINES, secrets)
    assert request["members"] == [node.private_ip for node in MACHINES.nodes]
    password = json.loads(secrets[files.SETTINGS].reveal())["password"]
    assert len(password) == 64
    assert password not in json.dumps(request)
    assert "PRIVATE KEY" not in json.dumps(request)


def test_the_password_is_made_once_and_lies_at_0600(secrets, tmp_path):
    again = Credentials(tmp_path, MACHINES).for_database(MACHINES.head)
    assert {name: one.reveal() for name, one in again.items()} == {
        name: one.reveal() for name, one in secrets.items()
    }
    kept = tmp_path / "credentials" / MACHINES.cluster_id / "database_password"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_what_decides_the_server_decides_its_fingerprint(secrets, tmp_path):
    one = database.start_request(MACHINES, secrets)["spec"]
    assert database.start_request(MACHINES, secrets)["spec"] == one
    assert database.start_request(inventory(2), secrets)["spec"] != one
    other = Credentials(tmp_path / "other", MACHINES).for_database(MACHINES.head)
    assert database.start_request(MACHINES, other)["spec"] != one


class Channel:
    def tell(self, **event):
        """Hear nothing."""


def test_a_machine_where_it_is_missing_says_what_to_type(monkeypatch, tmp_path):
    monkeypatch.setattr(database_install, "BINARIES", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure) as refused:
        database_install.programs(str(tmp_path / "data"), Channel())
    assert "nor apt-get" in refused.value.record["problem"]
    assert "apt-get install postgresql" in refused.value.record["next_step"]


def test_the_newest_programs_or_those_of_the_data(tmp_path, monkeypatch):
    for version in ("9", "15", "16"):
        for name in ("postgres", "psql"):
            path = tmp_path / "programs" / version / "bin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
    monkeypatch.setattr(database_install, "BINARIES", str(tmp_path / "programs"))
    data = tmp_path / "data"
    assert database_install.find(str(data)).endswith("/16/bin")
    data.mkdir()
    (data / "PG_VERSION").write_text("15\n")
    assert database_install.find(str(data)).endswith("/15/bin")
    (data / "PG_VERSION").write_text("14\n")
    assert database_install.find(str(data)) is None


@pytest.fixture
def state(tmp_path, monkeypatch):
    from contracts import inventory as inventories

    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))
    inventories.dump(MACHINES, tmp_path / "inventory.json")


def test_a_dry_run_names_the_tables(state, capsys):
    options = {"dataset": "blobs:3x2,noise=0.1", "rows": "50,60", "dry_run": True}
    code, document = answer(load, capsys, **options)
    assert code == DONE
    assert [name[:27] for name in document["tables"]] == [
        "d_blobs_3x2_noise_0_1_seed_",
        "d_blobs_3x2_noise_0_1_seed_",
    ]
    assert [name.split("_n")[-1][:2] for name in document["tables"]] == ["50", "60"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dataset": "mnist"}, "mnist"),
        ({"dataset": "iris", "rows": "151"}, "more than iris has: 150"),
        ({"dataset": "iris", "rows": "many"}, "--rows"),
        ({"dataset": "iris", "rows": "10,0"}, "--rows"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_touched(options, words, state, capsys):
    code, document = answer(load, capsys, **options)
    assert code == BAD_USAGE
    assert words in document["problem"]
    assert document["next_step"]
