"""Workers of real engines read a table from the database, and survive what is wrong with it."""

import pytest

from provision import bringup
from provision.bringup import Request
from tests.integration.database_at_work import (
    LOCK,
    TABLE,
    TINY,
    give_key,
    python_on,
)
from tests.integration.runs_at_work import driven, spec_on
from workloads import classification
from workloads.data.points import data

pytestmark = pytest.mark.timeout(1200)


def _run(operator, endpoint, parameters, number):
    """Drive a run of classification to its end; return its results in their order."""
    run_id = f"{number:020x}"
    spec = spec_on(operator, endpoint, "classification", parameters, run_id=run_id)
    results, seen = driven(operator, endpoint, spec)
    assert seen.deaths == []
    return results


LOOK = """
from contracts.errors import TandemError
from workloads import database
from workloads.data import tables
from workloads.data.datasets import Data
home, data = {home!r}, Data(**{data!r})
for words, statement, back in {cases!r}:
    with database.connect(home) as connection:
        connection.execute(statement)
        try:
            found = tables.look(home, data)
            tables.read_range(home, vars(found), 0, found.rows)
        except TandemError as error:
            assert words in str(error), error
            assert "fab data.load " in str(error), error
        else:
            raise SystemExit(f"nobody said: {{words}}")
        connection.execute(back)
assert tables.look(home, data).rows == 600
"""
RENAME = f"ALTER TABLE {TABLE} RENAME"
WRONG = [
    ("There is no table", f"{RENAME} TO other", f"ALTER TABLE other RENAME TO {TABLE}"),
    ("has other columns", f"{RENAME} COLUMN x1 TO other", f"{RENAME} COLUMN other TO x1"),
    (
        "are double precision, real",
        f"ALTER TABLE {TABLE} ALTER x1 TYPE double precision",
        f"ALTER TABLE {TABLE} ALTER x1 TYPE real",
    ),
    (
        "is empty",
        f"CREATE TABLE kept AS TABLE {TABLE}; TRUNCATE {TABLE}",
        f"INSERT INTO {TABLE} SELECT * FROM kept",  # noqa: S608
    ),
    (
        "has 601 rows, and 600 rows was loaded",
        f"INSERT INTO {TABLE} SELECT 600, x0, x1, x2, x3, x4, y FROM {TABLE} LIMIT 1",  # noqa: S608
        f"DELETE FROM {TABLE} WHERE id = 600; DROP TABLE kept",  # noqa: S608
    ),
    (
        "Some values are empty",
        f"ALTER TABLE {TABLE} ALTER x1 DROP NOT NULL; CREATE TABLE kept AS TABLE {TABLE}; "  # noqa: S608
        f"UPDATE {TABLE} SET x1 = NULL WHERE id = 5",
        f"TRUNCATE {TABLE}; INSERT INTO {TABLE} SELECT * FROM kept; DROP TABLE kept",  # noqa: S608
    ),
]


def test_a_table_that_is_not_what_was_loaded_is_named_with_what_to_type(operator, member):
    described = vars(data(classification.validate(TINY)))
    text = LOOK.format(home=member.home, data=described, cases=WRONG)
    python_on(operator, member.nodes[0], member, text)


SPOIL = """
from workloads import database
with database.connect({home!r}) as connection:
    connection.execute({statement!r})
"""


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_search_agrees_with_the_library_and_survives_what_goes_wrong(operator, loaded, name):
    request = Request(operator.inventory, 2, name, operator.state, LOCK)
    endpoint = bringup.start(request, links=operator.links).endpoint
    give_key(operator, endpoint)
    head = endpoint.nodes[0]
    number = iter(range({"dask": 100, "ray": 200}[name], 400))
    plain = classification.plain(classification.validate(TINY), 0)

    def good(parameters):
        found = _run(operator, endpoint, parameters, next(number))
        for ours, theirs in zip(found, plain, strict=True):
            near = pytest.approx(theirs.scores, rel=classification.TOLERANCE)
            assert ours.scores == near, ours
            assert ours.extra["read rows"] == 600
            assert ours.extra["read seconds"] > 0
            assert ours.extra["load seconds"] > 0

    def bad(words):
        for ours in _run(operator, endpoint, TINY, next(number)):
            assert ours.status == "failed"
            assert words in ours.reason, ours.reason

    def change(statement):
        text = SPOIL.format(home=endpoint.home, statement=statement)
        python_on(operator, head, endpoint, text)

    good({**TINY, "form": "joblib", "pieces": 1})
    change(f"UPDATE {TABLE} SET x1 = x1 + 1 WHERE id = 17")  # noqa: S608
    bad("sums x1")
    change(f"UPDATE {TABLE} SET x1 = x1 - 1 WHERE id = 17")  # noqa: S608
    operator.kill(head, "/bin/postgres -D")
    bad("cannot be reached")
    assert operator.status().database == "broken"
    assert give_key(operator, endpoint)
    good(TINY)
