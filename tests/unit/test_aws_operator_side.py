"""What an AWS stack keeps on the operator's side: keys, times, the inventory, the address."""

import dataclasses
import datetime
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pulumi.output import UNKNOWN

from contracts import inventory as inventories
from contracts.errors import DeadlineError, TandemError
from infra import operator_address
from infra.host_key import HostKeyProvider
from infra.inventory_file import InventoryFileProvider, known, merged
from infra.lifetime import LifetimeProvider
from infra.operator_key import OperatorKeyProvider
from infra.ssh_keys import make_key

FIRST, FRESH = make_key().public, make_key().public


def inventory(**changes):
    node = {
        "name": "node-1",
        "role": "head",
        "private_ip": "10.210.0.4",
        "ssh_host": "198.51.100.4",
        "ssh_port": 22,
        "host_key": FIRST,
        "temporary_host_key": FIRST,
        "instance_id": "i-1",
        "cpus": 2,
        "memory_bytes": 1024**3,
    }
    document = {
        "schema": 1,
        "cluster_id": "demo",
        "generation": 1,
        "provider": "aws",
        "region": "eu-north-1",
        "created_at": "2026-11-21T09:00:00+00:00",
        "expires_at": "2026-11-21T17:00:00+00:00",
        "ssh_user": "ubuntu",
        "ssh_key_path": "/state/id_ed25519",
        "nodes": [{**node, **changes.pop("node", {})}],
    }
    return inventories.parse(json.dumps({**document, **changes}))


def properties(state, wanted=None):
    document = json.dumps(inventories.as_document(wanted or inventory()))
    return {"state": str(state), "provider": "aws", "cluster_id": "demo", "document": document}


def fresh(found):
    node = dataclasses.replace(found.nodes[0], host_key=FRESH, temporary_host_key=None)
    return dataclasses.replace(found, nodes=(node,))


def test_the_inventory_is_written_by_up_and_gone_after_destroy(tmp_path):
    provider = InventoryFileProvider()
    made = provider.create(properties(tmp_path))
    assert known(tmp_path) == inventory()
    assert made.outs["inventory"]["generation"] == 1
    assert provider.diff(made.id, {}, properties(tmp_path)).changes is False
    (tmp_path / "credentials" / "demo").mkdir(parents=True)
    provider.delete(made.id, properties(tmp_path))
    assert known(tmp_path) is None
    assert not (tmp_path / "credentials" / "demo").exists()


@pytest.mark.parametrize("damage", ["missing", "half", "changed"])
def test_a_file_that_is_not_what_it_should_be_is_written_anew(tmp_path, damage):
    provider = InventoryFileProvider()
    provider.create(properties(tmp_path))
    path = tmp_path / "inventory.json"
    text = path.read_text()
    contents = {"missing": None, "half": text[:40], "changed": text.replace("i-1", "i-9")}
    path.unlink()
    if contents[damage] is not None:
        path.write_text(contents[damage])
    assert provider.diff("demo", {}, properties(tmp_path)).changes is True
    provider.update("demo", {}, properties(tmp_path))
    assert known(tmp_path).nodes == inventory().nodes
    assert provider.diff("demo", {}, properties(tmp_path)).changes is False


def test_a_preview_of_machines_that_are_not_made_yet_shows_a_change(tmp_path):
    unknown = {**properties(tmp_path), "document": UNKNOWN}
    provider = InventoryFileProvider()
    assert provider.check({}, unknown).failures == []
    assert provider.diff("demo", {}, unknown).changes is True


def test_the_inventory_of_another_cluster_is_not_replaced(tmp_path):
    other = inventory(cluster_id="other", provider="local")
    inventories.dump(other, tmp_path / "inventory.json")
    (failure,) = InventoryFileProvider().check({}, properties(tmp_path)).failures
    assert "describes cluster other (local)" in failure.reason
    assert "TANDEM_STATE" in failure.reason
    InventoryFileProvider().delete("demo", properties(tmp_path))
    assert known(tmp_path) == other


def test_a_fresh_host_key_outlives_the_next_up():
    met = fresh(inventory())
    assert merged(inventory(), met) == met


def test_a_machine_made_anew_shows_its_first_host_key_again():
    newer = inventory(node={"instance_id": "i-2"})
    found = merged(newer, fresh(inventory()))
    assert found.nodes[0].host_key == found.nodes[0].temporary_host_key == FIRST
    assert found.generation == 2


def test_a_contact_that_is_half_done_is_not_forgotten():
    node = dataclasses.replace(inventory().nodes[0], host_key=FRESH)
    half = dataclasses.replace(inventory(), nodes=(node,))
    assert merged(inventory(), half) == half


def test_an_extended_lifetime_stays_extended_until_the_machines_begin_anew():
    later = "2026-11-21T23:00:00+00:00"
    assert merged(inventory(), inventory(expires_at=later)).expires_at == later
    anew = inventory(
        created_at="2026-11-22T09:00:00+00:00", expires_at="2026-11-22T10:00:00+00:00"
    )
    assert merged(anew, inventory(expires_at=later)).expires_at == anew.expires_at


def test_a_lifetime_counts_from_its_beginning_and_begins_again_when_it_is_over():
    provider = LifetimeProvider()
    made = provider.create({"ttl_hours": 8.0}).outs
    begin = datetime.datetime.fromisoformat(made["created_at"])
    end = datetime.datetime.fromisoformat(made["expires_at"])
    assert end - begin == datetime.timedelta(hours=8)
    assert provider.diff("", made, {"ttl_hours": 8.0}).changes is False
    assert provider.diff("", made, {"ttl_hours": 9.0}).changes is True
    longer = provider.update("", made, {"ttl_hours": 9.0}).outs
    assert longer["created_at"] == made["created_at"]
    assert datetime.datetime.fromisoformat(longer["expires_at"]) - begin == (
        datetime.timedelta(hours=9)
    )
    old = {
        "ttl_hours": 1.0,
        "created_at": "2020-01-01T00:00:00+00:00",
        "expires_at": "2020-01-01T01:00:00+00:00",
    }
    assert provider.diff("", old, {"ttl_hours": 1.0}).changes is True
    assert provider.update("", old, {"ttl_hours": 1.0}).outs["created_at"] > "2026"


def test_the_operators_key_is_made_once_and_removed_with_the_stack(tmp_path):
    path = tmp_path / "machines" / "demo" / "id_ed25519"
    provider = OperatorKeyProvider()
    made = provider.create({"path": str(path)})
    assert path.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in json.dumps(made.outs)
    assert provider.create({"path": str(path)}).outs == made.outs
    assert provider.check({"path": str(path)}, {"path": str(path)}).failures == []
    provider.delete(made.id, made.outs)
    assert not path.parent.exists()


def test_a_key_that_was_moved_or_lost_is_refused_and_replaces_no_machine(tmp_path):
    provider = OperatorKeyProvider()
    path = str(tmp_path / "id_ed25519")
    (lost,) = provider.check({"path": path}, {"path": path}).failures
    assert "is gone" in lost.reason
    (moved,) = provider.check({"path": "/elsewhere"}, {"path": path}).failures
    assert "TANDEM_STATE" in moved.reason
    assert provider.check({}, {"path": path}).failures == []


def test_each_machine_has_a_first_host_key_of_its_own():
    one, other = (HostKeyProvider().create({}).outs for _ in range(2))
    assert one["public"] != other["public"]
    assert one["private"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


@contextmanager
def answering(text, *, seconds=0.0):
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(seconds)
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_the_operators_address_is_what_the_service_answers():
    with answering("203.0.113.7\n") as url:
        assert operator_address.find(url) == "203.0.113.7"


@pytest.mark.parametrize(
    "text", ["", "<html>log in</html>", "2001:db8::1", "224.0.0.1", "1.2.3"]
)
def test_an_answer_that_is_no_address_opens_nothing(text):
    with answering(text) as url, pytest.raises(TandemError, match="instead of an IPv4 address"):
        operator_address.find(url)


def test_a_service_that_is_slow_or_gone_says_how_to_do_without_it():
    with answering("203.0.113.7", seconds=1.5) as url:
        with pytest.raises((DeadlineError, TandemError)) as caught:
            operator_address.find(url, timeout=0.3)
        assert "operator-cidrs" in str(caught.value)
        time.sleep(1.5)
    with pytest.raises(TandemError, match="could not be asked") as gone:
        operator_address.find(url, timeout=2)
    assert "operator-cidrs" in str(gone.value)
