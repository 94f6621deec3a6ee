"""More time within a budget, the operator's address, stack files, the bucket."""

import datetime
import subprocess
import sys
import tarfile

import boto3
import pytest

from contracts import limits
from contracts.errors import RefusedError, UsageError
from cost import lifetime
from cost.account import Account
from cost.audit import audit
from infra import stack_file
from provision import store
from provision.node import store as node_store
from provision.node.program import Failure
from tests.command_line import ROOT
from tests.doubles.aws_cluster import CLUSTER, make_bucket, make_cluster
from tests.unit.provision_examples import inventory, node
from workloads.store import Store, open_store

pytestmark = pytest.mark.slow

REGION = "eu-north-1"
BEGIN = datetime.datetime(2026, 11, 21, 9, 0, tzinfo=datetime.UTC)


def machines(**changes):
    """Two machines at 0.10 an hour each, made at nine, with three hours to live."""
    priced = {"hourly_price": 0.1, "currency": "EUR"}
    return inventory(
        **{
            "nodes": (node(0, **priced), node(1, **priced)),
            "created_at": BEGIN.isoformat(),
            "expires_at": (BEGIN + datetime.timedelta(hours=3)).isoformat(),
            "ttl_hours": 3.0,
            **changes,
        }
    )


def after(hours: float) -> datetime.datetime:
    return BEGIN + datetime.timedelta(hours=hours)


def test_more_time_counts_from_now_and_again_changes_nothing():
    once = lifetime.extended(machines(), 4, None, after(2))
    assert datetime.datetime.fromisoformat(once.expires_at) == after(6)
    assert once.ttl_hours == 6.0
    assert lifetime.extended(once, 4, None, after(2)) == once
    assert lifetime.extended(machines(), 0.5, None, after(1)) == machines()


def test_a_budget_shortens_the_time_and_never_lengthens_it():
    assert lifetime.within_budget(machines(), 0.4, BEGIN).expires_at == after(2).isoformat()
    assert lifetime.within_budget(machines(), 4.0, BEGIN).expires_at == machines().expires_at


def test_more_time_than_the_budget_pays_for_is_refused_unless_the_budget_is_raised():
    with pytest.raises(RefusedError, match=r"budget of 0\.8"):
        lifetime.extended(machines(budget=0.8), 4, None, after(2))
    raised = lifetime.extended(machines(budget=0.8), 4, 2.0, after(2))
    assert (raised.budget, raised.expires_at) == (2.0, after(6).isoformat())


def test_a_budget_without_prices_and_time_without_a_limit_are_errors():
    with pytest.raises(UsageError, match="no price for head"):
        lifetime.within_budget(inventory(2), 5.0, BEGIN)
    with pytest.raises(UsageError, match="no time limit"):
        lifetime.extended(inventory(2), 1, None, after(1))


def test_on_aws_disks_and_addresses_count_towards_the_budget():
    there = machines(provider="aws", region=REGION)
    assert lifetime.hourly(machines()) == pytest.approx(0.2)
    assert lifetime.hourly(there) > 0.2


def test_the_tags_say_the_new_end(aws):
    make_cluster(REGION)
    account = Account()
    found = audit(account, [REGION], CLUSTER).found
    lifetime.retag(account, found, "2026-11-22T00:00:00+00:00")
    again = audit(account, [REGION], CLUSTER).found
    assert {"bucket", "role", "instance profile", "instance"} <= {one.kind for one in again}
    assert {one.expires_at for one in again} == {"2026-11-22T00:00:00+00:00"}
    assert {one.owner for one in again} == {"ada"}, "the other tags stay"


def test_a_stack_file_keeps_its_comments_and_changes_one_line(tmp_path):
    path = tmp_path / "Pulumi.aws.yaml"
    path.write_text('# mine\nconfig:\n  aws:region: eu-north-1\n  tandem:nodes: "3" # three\n')
    assert stack_file.write("aws", "tandem:nodes", "4", tmp_path)
    assert stack_file.write("aws", "tandem:ttl-hours", "6", tmp_path)
    assert not stack_file.write("aws", "tandem:ttl-hours", "6", tmp_path)
    text = path.read_text()
    assert text.startswith("# mine\nconfig:\n")
    assert stack_file.read("aws", tmp_path) == {
        "aws:region": "eu-north-1",
        "tandem:nodes": "4",
        "tandem:ttl-hours": "6",
    }


def test_the_stacks_of_a_cluster_are_those_on_aws_with_its_name(tmp_path):
    for name, text in {
        "one": "config:\n  tandem:provider: aws\n  tandem:name: lab\n",
        "two": "config:\n  tandem:provider: local\n  tandem:name: lab\n",
        "three": "config:\n  tandem:provider: aws\n  tandem:name: other\n",
    }.items():
        (tmp_path / f"Pulumi.{name}.yaml").write_text(text)
    assert stack_file.of_cluster("lab", tmp_path) == ["one"]


@pytest.fixture
def bucket(aws, tmp_path, monkeypatch):
    name, home = make_bucket(REGION), tmp_path / "home"
    (home / ".tandem/runs/r1").mkdir(parents=True)
    (home / ".tandem/credentials").mkdir()
    (home / ".tandem/credentials/ray_token").write_text("secret")
    (home / ".tandem/runs/r1/results.jsonl").write_text("{}\n")
    monkeypatch.setenv("HOME", str(home))
    return {"bucket": name, "region": REGION, "prefix": "lab/1", "node": "head"}, home


def test_a_node_writes_to_the_bucket_and_reads_back_and_work_finds_it(bucket):
    wish, _ = bucket
    assert node_store.main({"ask": "check", **wish}, None)["key"] == "lab/1/reached/head"
    store = open_store()
    assert store == Store(wish["bucket"], REGION, "lab/1")
    store.write("a/b", b"data")
    assert (store.read("a/b"), store.keys("a/")) == (b"data", ["a/b"])


def test_the_proof_that_a_bucket_can_be_used_leaves_nothing_in_it(bucket):
    wish, _ = bucket
    s3 = boto3.client("s3")

    def held():
        found = s3.list_object_versions(Bucket=wish["bucket"])
        return [one["Key"] for kind in ("Versions", "DeleteMarkers") for one in found[kind]]

    before = held()
    node_store.main({"ask": "check", **wish}, None)
    assert held() == before


def test_a_bucket_that_cannot_be_used_is_an_error_with_the_clouds_words(bucket):
    wish, _ = bucket
    with pytest.raises(Failure, match="gone cannot be used") as caught:
        node_store.main({"ask": "check", **wish, "bucket": "gone"}, None)
    assert "NoSuchBucket" in caught.value.record["cause"]


def test_what_is_kept_has_the_runs_and_no_credentials(bucket, tmp_path):
    wish, _ = bucket
    key = node_store.save(wish["bucket"], REGION, "lab/1", "head")
    boto3.client("s3").download_file(wish["bucket"], key, str(tmp_path / "kept.tar.gz"))
    with tarfile.open(tmp_path / "kept.tar.gz") as archive:
        names = archive.getnames()
    assert "runs/r1/results.jsonl" in names
    assert not [name for name in names if "credentials" in name]


def test_a_machine_that_ends_itself_saves_by_the_watchdogs_own_file(bucket, tmp_path):
    wish, _ = bucket
    program = tmp_path / "watchdog.pyz"
    program.write_bytes(limits.pack(ROOT))
    found = machines(bucket=wish["bucket"], region=REGION)
    last = store.last_work(found, "head", str(tmp_path), sys.executable)
    command = [str(program) if part == limits.WATCHDOG else part for part in last["command"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    key = f"{store.prefix(found)}/nodes/head.tar.gz"
    assert done.stdout.strip() == key
    assert boto3.client("s3").head_object(Bucket=wish["bucket"], Key=key)
