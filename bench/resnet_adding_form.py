"""Ways to add up a gradient of all nodes, from a cluster's head; sent as text to Python there.

    python - TASK < bench/resnet_adding_form.py

Prints JSON: for each way of the engine at hand the median seconds of a sum that every node has
in the end, of vectors of so many floats, one from each node.
"""

import json
import os
import statistics
import sys
import time

GLOO = """
import json, statistics, sys, time
import jax, numpy as np
address, rank, count, size, rounds = json.loads(sys.argv[1])
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(address, count, rank)
mesh = jax.make_mesh((count,), ("node",))
shard = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("node"))
every = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
mine = jax.make_array_from_process_local_data(shard, np.ones((1, size), np.float32))
add = jax.jit(lambda x: x.sum(axis=0), out_shardings=every)
add(mine).block_until_ready()
found = []
for _ in range(rounds):
    begin = time.monotonic()
    add(mine).block_until_ready()
    found.append(time.monotonic() - begin)
print(json.dumps(found))
"""


def members(rank, peers, key, size, rounds):
    """Add up as a training does, on the door that `open_door` left in this process."""
    import numpy as np

    from workloads.resnet import exchange, links, member

    door = member._door.pop()
    adding = exchange.Together(door, rank, [links.Peer(*one) for one in peers], key)
    mine, found = np.ones(size, np.float32), []
    adding.meet()
    for _ in range(rounds):
        begin = time.monotonic()
        total = adding.add(mine)
        found.append(time.monotonic() - begin)
    if not total[0] == total[-1] == len(peers):
        raise ValueError(f"the sum is {total}")
    adding.close()
    door.close()
    return found


def gloo(place):
    """Add up by jax.distributed in a process of its own."""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", GLOO, json.dumps(place)],
        capture_output=True, text=True, timeout=900, env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def vector(size):
    import numpy as np

    return np.ones(size, np.float32)


def total(*vectors):
    import numpy as np

    return np.sum(vectors, axis=0, dtype=np.float32)


def here(value):
    return float(value[0])


def workers_of(client):
    """Return the worker of each host."""
    info = client.scheduler_info(n_workers=-1)["workers"]
    return {one["host"]: worker for worker, one in info.items()}


def on_dask(client, hosts, size, rounds):
    """Add up over Dask: a task on one node, whose result goes to all the others."""
    workers = workers_of(client)
    own = [workers[host] for host in hosts]
    pinned = {"pure": False, "allow_other_workers": False}
    found = []
    for _ in range(rounds + 1):
        mine = [client.submit(vector, size, workers=[one], **pinned) for one in own]
        client.gather([client.submit(here, one, pure=False) for one in mine])
        begin = time.monotonic()
        added = client.submit(total, *mine, workers=[own[0]], **pinned)
        client.gather([client.submit(here, added, workers=[one], **pinned) for one in own])
        found.append(time.monotonic() - begin)
    return found[1:]


def on_ray(ray, hosts, size, rounds):
    """Add up over Ray: a task on one node, whose result goes to all the others."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    known = {one["NodeManagerAddress"]: one["NodeID"] for one in ray.nodes() if one["Alive"]}

    def at(host, function):
        pinned = NodeAffinitySchedulingStrategy(known[host], soft=False)
        return ray.remote(function).options(scheduling_strategy=pinned).remote

    found = []
    for _ in range(rounds + 1):
        mine = [at(host, vector)(size) for host in hosts]
        ray.wait(mine, num_returns=len(mine), fetch_local=False)
        begin = time.monotonic()
        added = at(hosts[0], total)(*mine)
        ray.get([at(host, here)(added) for host in hosts])
        found.append(time.monotonic() - begin)
    return found[1:]


def beside_dask(client, hosts, size, rounds):
    """Return the seconds of our own connections, and of gloo, from the workers of Dask."""
    from workloads.resnet import links, member

    workers = workers_of(client)
    own, key = [workers[host] for host in hosts], os.urandom(32)
    ports = [client.submit(member.listen, host, key.hex(), workers=[one], pure=False).result()
             for host, one in zip(hosts, own, strict=True)]  # fmt: skip
    peers = [links.Peer(host, host, port) for host, port in zip(hosts, ports, strict=True)]
    ours = [client.submit(members, rank, peers, key, size, rounds, workers=[one], pure=False)
            for rank, one in enumerate(own)]  # fmt: skip
    found = {"own connections": client.gather(ours)[0]}
    address = f"{hosts[0]}:22050"
    places = [(address, rank, len(own), size, rounds) for rank in range(len(own))]
    asked = [client.submit(gloo, place, workers=[one], pure=False)
             for place, one in zip(places, own, strict=True)]  # fmt: skip
    found["gloo of jax.distributed"] = client.gather(asked)[0]
    return found


def main():
    from workloads.engines.program_process import connection

    task = json.loads(sys.argv[1])
    connected, _ = connection(json.dumps(task["place"], sort_keys=True))
    given = (connected.client, list(connected.addresses.values()), task["size"], task["rounds"])
    if connected.engine == "dask":
        found = {"tasks of dask": on_dask(*given), **beside_dask(*given)}
    else:
        found = {"tasks of ray": on_ray(*given)}
    print(json.dumps({name: statistics.median(one) for name, one in found.items()}), flush=True)
    os._exit(0)  # an engine's library may wait at exit for a peer that is gone


main()
