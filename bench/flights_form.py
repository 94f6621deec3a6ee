"""Answers to one question on a cluster's head, each form in turn; sent as text to Python there.

    python - TASK < bench/flights_form.py

Prints JSON, by the names of the forms: wall seconds of the answer, after connecting and a
warm-up of the workers, CPU seconds of workers and client, and what was found.
"""

import json
import os
import sys
import time
from importlib import metadata

LIBRARIES = ("ray", "dask", "distributed", "pandas", "pyarrow", "polars", "duckdb", "numpy")


def main():
    from workloads.engines.program_process import connection
    from workloads.engines.unit_process import find

    task = json.loads(sys.argv[1])
    connected, spent = connection(json.dumps(task["place"], sort_keys=True))
    form = {"plain": "baseline", "dask": "on_dask", "ray": "on_ray"}[connected.engine]
    module = f"workloads.flights.{form}"
    versions = {name: metadata.version(name) for name in LIBRARIES}
    found = {}
    for name, given in task["given"].items():
        find(f"{module}:warm_up")(connected, form=given["form"])
        begin, cpu = time.monotonic(), spent() + time.process_time()
        (answer,) = find(f"{module}:answer")(connected, **given)
        found[name] = {
            "wall_seconds": time.monotonic() - begin,
            "cpu_seconds": spent() + time.process_time() - cpu,
            **answer,
            "versions": versions,
        }
    print(json.dumps(found), flush=True)
    os._exit(0)  # an engine's library may wait at exit for a peer that is gone


main()
