"""Where prices come from, what a cluster would cost, and what one has cost."""

import datetime
import json

import boto3
import pytest

from contracts import aws_prices, inventory
from contracts.errors import UsageError
from cost import show
from cost.account import Account
from cost.estimate import Shape, estimate, hours_within
from cost.prices import Prices
from tests.doubles.aws_cluster import CLUSTER, make_cluster, make_machines, make_network
from tests.doubles.price_list import price_list
from tests.unit import provision_examples

pytestmark = pytest.mark.slow

REGION = "eu-north-1"
SHAPE = Shape("t3.medium", ("t3.large", "t3.large"), "on-demand", 30.0, 2.0)


@pytest.fixture
def priced(aws, monkeypatch):
    prices = {"t3.medium": 0.0432, "t3.large": 0.0864, "gp3": 0.0836, "Standard": 0.023}
    with price_list(prices) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", address)
        yield


def test_prices_come_from_the_price_api(priced):
    found = Prices(Account(), REGION).machine("t3.medium")
    assert (found.hourly, found.source) == (0.0432, "AWS price API")


def test_the_bundled_table_answers_where_aws_does_not_and_is_named_with_its_day(
    aws, monkeypatch
):
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", "http://127.0.0.1:9")
    prices = Prices(Account(attempts=1), REGION)
    assert prices.machine("t3.medium").hourly == 0.0432
    assert prices.machine("t3.medium").source == f"bundled table of {aws_prices.as_of()}"
    assert "did not answer" in prices.causes[0]


def test_a_type_that_nobody_knows_is_an_error_that_says_what_to_do(priced):
    with pytest.raises(UsageError, match=r"x9\.huge in eu-north-1") as caught:
        Prices(Account(), REGION).machine("x9.huge")
    assert "--price" in (caught.value.next_step or "")


def test_the_table_scales_within_a_family_and_knows_no_strangers():
    assert aws_prices.on_demand("us-east-1", "m5.4xlarge") == pytest.approx(0.768)
    assert aws_prices.on_demand("us-east-1", "t3.micro") == pytest.approx(0.0104)
    assert aws_prices.on_demand("us-east-1", "m5.metal") is None
    assert aws_prices.on_demand("mars-1", "m5.large") is None


def test_an_estimate_adds_machines_disks_and_addresses(priced):
    found = estimate(SHAPE, Prices(Account(), REGION))
    disk = 3 * 30 * 0.0836 / 730
    hourly = 0.0432 + 2 * 0.0864 + disk + 3 * 0.005
    assert found.hourly == pytest.approx(hourly)
    assert found.total == pytest.approx(2 * hourly)
    assert found.document()["sources"] == [
        "AWS price API",
        f"bundled table of {aws_prices.as_of()}",
    ]


def test_without_an_account_an_estimate_works_and_says_where_from():
    found = estimate(SHAPE, Prices(None, REGION))
    assert {line.source for line in found.lines} == {f"bundled table of {aws_prices.as_of()}"}


def test_spot_workers_are_priced_by_the_spot_history(priced):
    history = boto3.client("ec2").describe_spot_price_history(
        InstanceTypes=["t3.large"], ProductDescriptions=["Linux/UNIX"]
    )["SpotPriceHistory"]
    dearest = max(float(one["SpotPrice"]) for one in history)
    shape = Shape("t3.medium", ("t3.large",), "spot", 8.0, 1.0)
    lines = estimate(shape, Prices(Account(), REGION)).lines
    assert lines[1].hourly == dearest
    assert lines[1].source == "AWS spot price history"


def test_a_budget_lasts_for_so_many_hours():
    assert hours_within(5.0, 0.25) == 20.0
    assert hours_within(5.0, 0.0) == float("inf")


def test_a_bill_has_machines_disks_addresses_and_the_bucket(priced):
    made = make_cluster(REGION)
    bill = show.of_account(Account(), [REGION], CLUSTER)
    kinds = {row.kind for row in bill.rows}
    assert kinds == {"instance", "volume", "address", "bucket"}
    machines = [row for row in bill.rows if row.kind == "instance"]
    assert {row.id for row in machines} == set(made["machines"])
    assert {row.hourly for row in machines} == {0.0432}
    bucket = next(row for row in bill.rows if row.kind == "bucket")
    assert bucket.id == made["bucket"]
    assert bill.hourly > 2 * 0.0432
    assert bill.document()["currency"] == "USD"


def test_a_stopped_machine_costs_its_disk_alone(priced):
    ec2 = boto3.client("ec2")
    machines = make_machines(ec2, make_network(ec2), 1)
    ec2.stop_instances(InstanceIds=machines)
    rows = show.of_account(Account(), [REGION], CLUSTER).rows
    machine = next(row for row in rows if row.kind == "instance")
    assert (machine.hourly, machine.so_far) == (0.0, None)


def test_machines_of_ones_own_cost_what_their_inventory_says():
    hour_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=2)
    document = inventory.as_document(provision_examples.inventory(2))
    document["created_at"] = hour_ago.isoformat()
    for node in document["nodes"]:
        node |= {"hourly_price": 0.5, "currency": "EUR"}
    bill = show.of_inventory(inventory.parse(json.dumps(document)))
    assert bill.currency == "EUR"
    assert bill.so_far == pytest.approx(2.0, rel=0.01)
