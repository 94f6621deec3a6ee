"""Trainings of ResNet-18 from a cluster's head; sent as text to Python there.

    python - TASK < bench/resnet_form.py

Prints JSON: what came of the training of each seed, after a warm-up that compiles, with its
wall seconds and the CPU seconds of workers and client.
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
    form = "workloads.resnet." + task["form"]
    warm_up, train = find(f"{form}:warm_up"), find(f"{form}:train")
    begin = time.monotonic()
    data, recipe = task["data"], task["recipe"]
    warm_up(connected, data=data, recipe={**recipe, "seed": task["seeds"][0]})
    warmed = time.monotonic() - begin
    records = []
    for seed in task["seeds"]:
        begin = time.monotonic()
        (found,) = train(connected, data=data, recipe={**recipe, "seed": seed})
        wall = time.monotonic() - begin
        records.append({"accuracy": found["scores"][0], "wall": wall, **found["extra"]})
    versions = {name: metadata.version(name) for name in ("jax", "jaxlib", "flax", "numpy")}
    print(json.dumps({"warm_up": warmed, "seeds": records, "versions": versions}), flush=True)
    os._exit(0)  # an engine's library may wait at exit for a peer that is gone


main()
