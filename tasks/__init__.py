"""The verbs that a user types, one file for each noun; the only code that sees every stage."""

from invoke.collection import Collection

from tasks import demo, local, setup

namespace = Collection(demo.collection, local.collection, setup.collection)
