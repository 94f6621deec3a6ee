"""A budget, typed or of the stack: it shortens the time, and every `up` keeps that."""

import dataclasses
import datetime
import json

import pytest

from contracts import inventory as inventories
from contracts.errors import RefusedError, UsageError
from cost import lifetime
from infra import stack_file
from infra.inventory_file import InventoryFileProvider, known
from infra.lifetime import lifetime as both_ends
from tasks import care
from tests.command_line import fab
from tests.doubles.price_list import price_list
from tests.unit.provision_examples import inventory, node

pytestmark = pytest.mark.slow

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
HOUR = datetime.timedelta(hours=1)


def machines(*, begin=NOW, hours=8.0, provider="aws", **changes):
    """Two machines at 0.10 an hour each."""
    priced = {"hourly_price": 0.1, "currency": "USD"}
    return inventory(
        nodes=(node(0, **priced), node(1, **priced)),
        cluster_id="lab",
        provider=provider,
        region="eu-north-1",
        ttl_hours=hours,
        **both_ends(begin, hours),
        **changes,
    )


class Stack:
    """What `pulumi up` does to the inventory: as the stack's file says, knowing the last."""

    def __init__(self, folder, **settings):
        self.folder, self.state, self.last = folder, folder / "state", None
        text = "config:\n  tandem:provider: aws\n  tandem:name: lab\n"
        (folder / "Pulumi.aws.yaml").write_text(text)
        self.set(**{"ttl-hours": "8", **settings})

    def set(self, **settings):
        for name, value in settings.items():
            stack_file.write("aws", f"tandem:{name}", value, self.folder)

    def wanted(self):
        given = stack_file.read("aws", self.folder)
        hours, budget = float(given["tandem:ttl-hours"]), given.get("tandem:budget")
        document = inventories.as_document(
            machines(hours=hours, budget=float(budget) if budget else None)
        )
        return {
            "state": str(self.state),
            "provider": "aws",
            "cluster_id": "lab",
            "document": json.dumps(document),
        }

    def up(self):
        provider, wanted = InventoryFileProvider(), self.wanted()
        if self.last is None:
            self.last = provider.create(wanted).outs
        elif provider.diff("lab", self.last, wanted).changes:
            self.last = provider.update("lab", self.last, wanted).outs
        return known(self.state)


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A stack whose file lies in the folder that verbs run in."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "state").mkdir()
    return Stack(tmp_path)


def spent_after(found):
    return datetime.datetime.fromisoformat(found.expires_at)


def end_of(found, budget):
    return lifetime.affordable_until(found, budget)


def test_a_budget_that_was_typed_outlives_the_next_up_with_and_without_its_stack(stack):
    made = stack.up()
    wanted, notes = care.budgeted(made, 0.5, stack.state / "inventory.json")
    assert HOUR < spent_after(wanted) - NOW < 3 * HOUR
    assert "Written into Pulumi.aws.yaml, too." in notes
    assert stack_file.read("aws")["tandem:budget"] == "0.5"
    again = stack.up()
    assert (again.budget, again.expires_at) == (0.5, wanted.expires_at)
    (stack.folder / "Pulumi.aws.yaml").write_text("config:\n  tandem:ttl-hours: '8'\n")
    stack.last = {**stack.last, "document": stack.wanted()["document"]}
    again = stack.up()
    assert (again.budget, again.expires_at) == (0.5, wanted.expires_at)


def test_a_budget_in_coins_is_counted_by_the_inventory_and_written_into_its_stack(stack):
    text = "config:\n  tandem:provider: openstack\n  tandem:name: lab\n"
    (stack.folder / "Pulumi.ssc.yaml").write_text(text)
    made = machines(provider="openstack")
    wanted, notes = care.budgeted(made, 0.5, stack.state / "inventory.json")
    assert spent_after(wanted) - NOW == 2.5 * HOUR
    assert "Written into Pulumi.ssc.yaml, too." in notes
    assert "tandem:budget" not in stack_file.read("aws")
    free = dataclasses.replace(made, nodes=(node(0), node(1)))
    with pytest.raises(UsageError) as caught:
        care.budgeted(free, 0.5, stack.state / "inventory.json")
    assert "config set coins" in str(caught.value)


def test_a_budget_of_the_stack_holds_and_another_one_takes_its_place(stack):
    stack.set(budget="1")
    made = stack.up()
    assert made.budget == 1.0
    wanted, _ = care.budgeted(made, made.budget, stack.state / "inventory.json")
    assert care.budgeted(wanted, 1.0, stack.state / "inventory.json") == (wanted, [])
    stack.set(budget="0.5")
    changed = stack.up()
    assert (changed.budget, changed.expires_at) == (0.5, wanted.expires_at)


def test_more_time_in_the_stack_is_more_time_in_the_inventory(stack):
    made = stack.up()
    longer = lifetime.ends_at(made, NOW + 12 * HOUR, round)
    inventories.dump(longer, stack.state / "inventory.json")
    assert stack.up() == longer, "a verb extended it"
    stack.set(**{"ttl-hours": "9"})
    assert spent_after(stack.up()) == NOW + 9 * HOUR


def test_a_budget_that_would_end_the_machines_at_once_is_refused_and_changes_nothing(stack):
    made = dataclasses.replace(stack.up(), **both_ends(NOW - 5 * HOUR, 8.0))
    path = stack.state / "inventory.json"
    inventories.dump(made, path)
    with pytest.raises(RefusedError, match=r"budget of 0\.5 lasts until"):
        care.budgeted(made, 0.5, path)
    assert known(stack.state) == made
    assert "tandem:budget" not in stack_file.read("aws")


def test_a_start_keeps_the_budget_that_the_inventory_names(tmp_path):
    made = machines(begin=NOW - 5 * HOUR, provider="own", budget=0.5)
    inventories.dump(made, tmp_path / "inventory.json")
    answered = fab("cluster.start", "--engine", "ray", state=tmp_path)
    assert answered.code == 4, answered
    assert "budget of 0.5" in answered.err
    assert "--budget" in answered.err


def test_an_extension_keeps_to_a_budget_that_lasts_less_long_than_the_machines_may(tmp_path):
    made = machines(provider="own")
    found = lifetime.extended(made, 1.0, 0.4, NOW)
    assert spent_after(found) == end_of(made, 0.4) == NOW + 2 * HOUR


def test_a_budget_counts_what_aws_asks_where_the_table_knows_no_price(
    aws, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    typed = node(0, instance_type="x9.huge", public_ip="198.51.100.4")
    made = dataclasses.replace(machines(hours=8.0), nodes=(typed,), region="ap-east-2")
    path = tmp_path / "inventory.json"
    with price_list({"x9.huge": 0.5, "gp3": 0.0730}) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", address)
        found, notes = care.budgeted(made, 2.0321, path)
    assert spent_after(found) == NOW + 4 * HOUR, notes
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"in ap-east-2 is not known"):
        care.budgeted(made, 2.0, path)
