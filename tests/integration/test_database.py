"""PostgreSQL on real machines: loaded by the verb, open to members alone, read by engines."""

import dataclasses
import json

import pytest

from contracts import database as files
from contracts import ports
from contracts.errors import TandemError
from provision import bringup, database, remote_run
from provision.bringup import Request
from provision.credentials import Credentials
from tests.doubles.run_specs import workload_spec
from workloads import classification, registry, runs
from workloads import database as client
from workloads.data import tables
from workloads.data.points import data
from workloads.sweeps.driver_output import DriverOutput

pytestmark = pytest.mark.timeout(1200)
TINY = {"preset": "tiny"}
LOCK = registry.lock("classification")
TABLE = tables.name_of(classification.validate(TINY)["data_version"])


@pytest.fixture(scope="module")
def loaded(operator):
    """What the verb said when it loaded the data of the tiny preset."""
    # The environment takes a small machine longer than a verb is given by these tests.
    request = Request(operator.inventory, 2, None, operator.state, LOCK)
    bringup.prepare(request, links=operator.links)
    asked = operator.fab(*_load())
    assert asked.code == 0, asked.err
    return json.loads(asked.out)


def _load(*words):
    return ("data.load", "blobs:5x3,noise=0.05", "--rows", "600", "--json", *words)


def _python(operator, node, endpoint, text):
    """Run Python on a node, in the environment and with the code of a bring-up."""
    python = f"{endpoint.environment}/bin/python"
    return operator.run(node, "env", f"PYTHONPATH={endpoint.code}", python, "-c", text)


@pytest.fixture(scope="module")
def member(operator, loaded):
    """Two machines with the environment that reads, and the key; the second is no head."""
    endpoint = bringup.prepare(
        Request(operator.inventory, 2, None, operator.state, LOCK), links=operator.links
    ).endpoint
    database.ensure(operator.links, operator.inventory, operator.state, endpoint.nodes)
    return endpoint


def test_a_second_load_does_nothing_and_says_so(operator, loaded):
    assert loaded["started"]
    (table,) = loaded["tables"]
    assert (table["name"], table["rows"], table["loaded"]) == (TABLE, 600, True)
    assert table["load_seconds"] > 0
    asked = operator.fab(*_load())
    again = json.loads(asked.out)
    assert (again["started"], again["tables"][0]["loaded"]) == (False, False)
    assert again["tables"][0]["load_seconds"] == table["load_seconds"]
    fresh = json.loads(operator.fab(*_load("--fresh")).out)["tables"][0]
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
    count, first, x, y = json.loads(_python(operator, member.nodes[1], member, text))
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
    assert words in _python(operator, member.nodes[1], member, text)


def _run(operator, endpoint, parameters, number):
    """Drive a run of classification to its end; return its results in their order."""
    made = workload_spec("classification", endpoint.home, parameters, engine=endpoint.engine)
    spec = dataclasses.replace(
        made,
        run_id=f"{number:020x}",
        address=endpoint.address,
        nodes=endpoint.nodes,
        addresses={node: operator.inventory.node(node).private_ip for node in endpoint.nodes},
        slots=endpoint.slots,
        credentials=endpoint.credentials,
    )
    output = DriverOutput(spec.trials)
    text = json.dumps(runs.as_document(spec)).encode()
    assert remote_run.launch(operator.links, endpoint, spec.run_id, text)
    results = {}
    for part in remote_run.follow(operator.links, endpoint.nodes[0], spec.run_id):
        results.update((one.trial_id, one) for one in output.feed(part))
    seen = output.observed
    assert (seen.ended, seen.rejected, seen.deaths) == ("finished", [], []), seen
    return [results[trial.trial_id] for trial in spec.trials]


SQL = """
from workloads import database
with database.connect({home!r}) as connection:
    connection.execute({statement!r})
"""


@pytest.mark.parametrize("name", ["plain", "dask", "ray"])
def test_a_search_agrees_with_the_library_and_names_what_is_wrong(operator, loaded, name):
    request = Request(
        operator.inventory, 1 if name == "plain" else 2, None if name == "plain" else name,
        operator.state, LOCK,
    )  # fmt: skip
    begin = bringup.prepare if name == "plain" else bringup.start
    endpoint = begin(request, links=operator.links).endpoint
    database.ensure(operator.links, operator.inventory, operator.state, endpoint.nodes)
    head, number = (
        endpoint.nodes[0],
        iter(range(["plain", "dask", "ray"].index(name) * 100, 400)),
    )
    plain = classification.plain(classification.validate(TINY), 0)

    def good(parameters):
        for ours, theirs in zip(
            _run(operator, endpoint, parameters, next(number)), plain, strict=True
        ):
            near = pytest.approx(theirs.scores, rel=classification.TOLERANCE)
            assert ours.scores == near, ours
            assert ours.extra["read rows"] == 600
            assert ours.extra["read seconds"] > 0
            assert ours.extra["load seconds"] > 0

    def bad(words, parameters=TINY):
        for ours in _run(operator, endpoint, parameters, next(number)):
            assert ours.status == "failed"
            assert words in ours.reason, ours.reason

    def change(statement):
        _python(operator, head, endpoint, SQL.format(home=endpoint.home, statement=statement))

    good({**TINY, "form": "joblib", "pieces": 1})
    bad("There is no table", {**TINY, "points": 700})
    change(f"ALTER TABLE {TABLE} RENAME COLUMN x1 TO other")
    bad("has other columns")
    change(f"ALTER TABLE {TABLE} RENAME COLUMN other TO x1")
    change(f"CREATE TABLE kept AS TABLE {TABLE}")
    change(f"UPDATE {TABLE} SET x1 = x1 + 1 WHERE id = 17")  # noqa: S608
    bad("sums x1")
    change(f"TRUNCATE {TABLE}")
    bad("is empty")
    change(f"INSERT INTO {TABLE} SELECT * FROM kept")  # noqa: S608
    change("DROP TABLE kept")
    operator.kill(head, "/bin/postgres -D")
    bad("cannot be reached")
    assert operator.status().database == "broken"
    assert database.ensure(operator.links, operator.inventory, operator.state, endpoint.nodes)
    good(TINY)


def test_it_ends_with_the_cluster_and_keeps_its_tables(operator, loaded):
    """The last test: the machines are stopped by it."""
    ended = operator.stop()
    assert f"{operator.inventory.head.name}: database stopped" in ended
    assert operator.status().database == "none"
    head = operator.inventory.head.name
    assert not operator.processes(head, "postgres")
    again = json.loads(operator.fab(*_load()).out)
    assert (again["started"], again["tables"][0]["loaded"]) == (True, False)
