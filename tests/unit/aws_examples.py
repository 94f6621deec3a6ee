"""The program on AWS as its tests declare it: a small configuration, changed as they say."""

import json
from functools import cache

from tests.doubles.declared_program import Declaration, declare

GIVEN = {
    "tandem:provider": "aws",
    "tandem:name": "demo",
    "tandem:owner": "ada",
    "tandem:operator-cidrs": "198.51.100.7",
    "aws:region": "eu-north-1",
}


@cache
def usual() -> Declaration:
    return declare(GIVEN)


def declared(**changes) -> Declaration:
    ours = {f"tandem:{name.replace('_', '-')}": value for name, value in changes.items()}
    return declare({**GIVEN, **ours})


def document(found: Declaration) -> dict:
    return json.loads(found.one("InventoryFile").inputs["document"])
