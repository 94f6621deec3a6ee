"""The program on AWS as its tests declare it: a small configuration, changed as they say."""

import json
from functools import cache

from infra.aws_settings import AwsSettings, parse_aws
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


def settings_of(tmp_path, **given) -> AwsSettings:
    """Return the settings of three machines, with the operator's state in `tmp_path`."""
    named = {name.replace("_", "-"): value for name, value in given.items()}
    return parse_aws(
        {"name": "lab", "nodes": "3", **named}, region="eu-north-1", state=tmp_path, user="ada"
    )
