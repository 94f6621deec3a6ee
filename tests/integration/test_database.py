"""PostgreSQL on real machines: loaded by the verb, and open to members alone."""

import json

import pytest

from contracts import database as files
from contracts import ports
from contracts.errors import TandemError
from provision.credentials import Credentials
from tests.integration.database_at_work import (
    TABLE,
    TINY,
    load_words,
    python_on,
)
from workloads import classification
from workloads import database as client
from workloads.data.points import data

pytestmark = pytest.mark.timeout(1200)


def test_a_second_load_does_nothing_and_says_so(operator, loaded):
    assert loaded["started"]
    (table,) = loaded["tables"]
    assert (table["name"], table["rows"], table["loaded"]) == (TABLE, 600, True)
    assert table["load_seconds"] > 0
    asked = operator.fab(*load_words())
    again = json.loads(asked.out)
    assert (again["started"], again["tables"][0]["loaded"]) == (False, False)
    assert again["tables"][0]["load_seconds"] == table["load_seconds"]
    fresh = json.loads(operator.fab(*load_words("--fresh")).out)["tables"][0]
    assert fresh["loaded"]
    assert fresh["load_seconds"] != table["load_seconds"]


def test_it_listens_on_the_clusters_address_alone_and_status_has_it(operator, loaded):
    head = operator.inventory.head.name
    port = ports.DATABASE.first
    listening = {one for one in operator.listeners(head) if one[1] == port}
    assert listening == {(operator.address(head), port)}
    assert operator.status().database == "up"
    assert "database up" in operator.fab("cluster.status").out


def test_the_password_is_in_a_file_of_0600_and_nowhere_else(operator, loaded):
    head = operator.inventory.head.name
    own = Credentials(operator.state, operator.inventory).for_database(operator.inventory.head)
    password = json.loads(own[files.SETTINGS].reveal())["password"]
    mode = operator.run(head, "stat", "-c", "%a", f"/home/tandem/.tandem/{files.SETTINGS}")
    assert mode.strip() == "600"
    # By a pattern that is not itself in the command line.
    pattern = f"[{password[0]}]{password[1:]}"
    script = (
        f"grep -rlE '{pattern}' ~/.tandem --exclude-dir=credentials; "
        f"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | grep -acE '{pattern}'"
    )
    found = operator.run(head, "sh", "-c", f"{script}; true").split()
    assert found == ["0"]
    assert password not in json.dumps(loaded)


def test_an_outsider_is_refused_with_the_right_password(operator, loaded, tmp_path):
    """This computer reaches the machines' network, and is none of them."""
    own = Credentials(operator.state, operator.inventory).for_database(operator.inventory.head)
    for name in (files.SETTINGS, files.AUTHORITY):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(own[name].reveal())
    with pytest.raises(TandemError, match="refuses this node") as refused:
        client.connect(tmp_path)
    assert "no pg_hba.conf entry" in str(refused.value)


READ = """
import json
from workloads import database
from workloads.data import tables
from workloads.data.datasets import Data
from workloads.data.totals import check_same, totals
home = {home!r}
table = tables.look(home, Data(**{data!r}))
keys, x, y = tables.read_range(home, vars(table), 100, 300)
whole = tables.read_range(home, vars(table), 0, table.rows)
check_same(table.totals, totals(*whole[1:]), "the table")
print(json.dumps([len(keys), int(keys[0]), x.tolist()[:2], y.tolist()[:2]]))
"""
PLAIN = """
import json, psycopg
found = json.load(open({settings!r}))
names = dict(host=found["host"], port=found["port"], dbname=found["database"])
names.update(user=found["user"], password=found["password"], sslmode="require")
names.update({changes!r})
try:
    psycopg.connect(**names).close()
    print("let in")
except psycopg.Error as error:
    print(error)
"""


def test_a_member_reads_the_rows_that_were_loaded(operator, member):
    described = data(classification.validate(TINY))
    text = READ.format(home=member.home, data=vars(described))
    count, first, x, y = json.loads(python_on(operator, member.nodes[1], member, text))
    from workloads.data import datasets

    rows, labels = datasets.raw(described.dataset, described.rows)
    assert (count, first) == (200, 100)
    assert (x, y) == (rows[100:102].tolist(), labels[100:102].tolist())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "let in"),
        ({"password": "0" * 64}, "password authentication failed"),
        ({"user": "owner"}, "no pg_hba.conf entry"),
        ({"sslmode": "disable"}, "no pg_hba.conf entry"),
        ({"dbname": "postgres"}, "no pg_hba.conf entry"),
    ],
    ids=["as it is", "wrong password", "the owner", "without TLS", "another database"],
)
def test_a_member_needs_the_password_its_user_and_tls(operator, member, changes, words):
    path = f"{member.home}/{files.SETTINGS}"
    text = PLAIN.format(settings=path, changes=changes)
    assert words in python_on(operator, member.nodes[1], member, text)


def test_it_ends_with_the_cluster_and_keeps_its_tables(operator, loaded):
    """The last test: the machines are stopped by it."""
    ended = operator.stop()
    assert f"{operator.inventory.head.name}: database stopped" in ended
    assert operator.status().database == "none"
    head = operator.inventory.head.name
    assert not operator.processes(head, "postgres")
    again = json.loads(operator.fab(*load_words()).out)
    assert (again["started"], again["tables"][0]["loaded"]) == (True, False)
