"""One read of a table on a cluster's head, ours or Ray's own; sent as text to Python there.

    python - TASK < bench/database_form.py

Prints JSON: seconds of the read, after connecting and a warm-up of the workers.
"""

import json
import os
import sys
import time
from importlib import metadata


def main():
    from workloads.engines.program_process import connection
    from workloads.engines.unit_process import find

    task = json.loads(sys.argv[1])
    connected, _ = connection(json.dumps(task["place"], sort_keys=True))
    form, given = task["form"], task["given"]
    ours = f"workloads.classification.{'on_ray' if form == 'read_sql' else form}"
    find(f"{ours}:warm_up")(connected)
    if form == "read_sql":
        seconds = read_sql(connected, given)
    else:
        (found,) = find(f"{ours}:search")(connected, **given)
        if "reason" in found:
            raise SystemExit(found["reason"])
        seconds = found["extra"]["read seconds"]
    names = ("ray", "dask", "distributed", "psycopg", "pandas", "pyarrow", "numpy")
    versions = {name: metadata.version(name) for name in names}
    print(json.dumps({"read_seconds": seconds, "versions": versions}), flush=True)
    os._exit(0)  # an engine's library may wait at exit for a peer that is gone


def read_sql(connected, given):
    """Ray's own way, its user guide's 'Reading databases': a query for each block."""
    import ray

    from workloads import database
    from workloads.data import tables
    from workloads.data.datasets import Data

    home = connected.home
    table = tables.look(home, Data(**given["data"]))
    begin = time.monotonic()
    found = ray.data.read_sql(
        f"SELECT * FROM {table.name}",  # noqa: S608
        lambda: database.connect(home),
        shard_keys=["id"],
        shard_hash_fn="",  # a whole number is its own hash
        override_num_blocks=given["pieces"] * connected.slots,
    ).materialize()
    if found.count() != table.rows:
        raise SystemExit(f"{found.count()} rows in place of {table.rows}")
    return time.monotonic() - begin


main()
