"""The verbs that a user types, one file for each noun; the only code that sees every stage."""

from invoke.collection import Collection

namespace = Collection()
