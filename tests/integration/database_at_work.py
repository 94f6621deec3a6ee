"""The database of the tests' machines: loaded by the verb, with members that may read."""

import json

from provision import bringup, database
from provision.bringup import Request
from workloads import classification, registry
from workloads.data import tables

TINY = {"preset": "tiny"}
LOCK = registry.lock("classification")
TABLE = tables.name_of(classification.validate(TINY)["data_version"])


def load_words(*words):
    """Return the verb that loads the data of the tiny preset."""
    return ("data.load", "blobs:5x3,noise=0.05", "--rows", "600", "--json", *words)


def load(operator):
    """Load, and return what the verb said."""
    # The environment takes a small machine longer than a verb is given by these tests.
    request = Request(operator.inventory, 2, None, operator.state, LOCK)
    bringup.prepare(request, links=operator.links)
    asked = operator.fab(*load_words())
    assert asked.code == 0, asked.err
    return json.loads(asked.out)


def members(operator):
    """Give two machines the environment that reads, and the key; return where it lies."""
    request = Request(operator.inventory, 2, None, operator.state, LOCK)
    endpoint = bringup.prepare(request, links=operator.links).endpoint
    give_key(operator, endpoint)
    return endpoint


def give_key(operator, endpoint):
    """Make the database run and give its key to the nodes; say whether it had to be started."""
    return database.ensure(operator.links, operator.inventory, operator.state, endpoint.nodes)


def python_on(operator, node, endpoint, text):
    """Run Python on a node, in the environment and with the code of a bring-up."""
    python = f"{endpoint.environment}/bin/python"
    return operator.run(node, "env", f"PYTHONPATH={endpoint.code}", python, "-c", text)
