"""Bring-up beside its peers on the same containers: SSHCluster of Dask, and `ray up`.

Each repetition brings up every contestant once, in alternating order, from nothing running
to three nodes joined. The peers do no checks; Tandem's time includes all of its own.

    python -m bench.peers --repeats 5
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.machine import facts, keep, spread
from bench.machines import Cluster, cluster

LIMIT_SECONDS = 180

SSH_CLUSTER = """
import json, sys
from dask.distributed import Client, SSHCluster
task = json.loads(sys.argv[1])
with SSHCluster(
    task["hosts"],
    connect_options=task["options"],
    remote_python=task["python"],
    worker_options={"nthreads": 1, "memory_limit": "1GiB"},
    scheduler_options={"dashboard": False},
) as made, Client(made) as client:
    client.wait_for_workers(len(task["hosts"]) - 1, timeout=120)
    print("up", flush=True)
    sys.stdin.readline()
"""

# Counts live nodes through the dashboard, because starting Ray's client would take longer
# than what is measured.
COUNT_NODES = """python3 -I -S -c '
import json, urllib.request
try:
    page = urllib.request.urlopen("http://127.0.0.1:8265/nodes?view=summary", timeout=5)
    nodes = json.load(page)["data"]["summary"]
    print(sum(node["raylet"].get("state") == "ALIVE" for node in nodes))
except OSError:
    print(0)
'"""


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cpus", type=float, default=0.6)
    options = parser.parse_args()
    machine = facts()
    seconds: dict[str, list[float]] = {}
    with cluster(nodes=3, cpus=options.cpus) as made, tempfile.TemporaryDirectory() as folder:
        contestants: dict[str, Callable[[], float]] = {
            "tandem dask": lambda: tandem(made, "dask"),
            "SSHCluster": lambda: ssh_cluster(made),
            "tandem ray": lambda: tandem(made, "ray"),
            "ray up": lambda: ray_up(made, Path(folder)),
        }
        prepare_for_ray_up(made)
        for repeat in range(options.repeats + 1):
            names = list(contestants)
            for name in names if repeat % 2 else reversed(names):
                took = contestants[name]()
                print(
                    f"{repeat or 'warm-up'!s:8} {name:12} {took:6.2f} s",
                    flush=True,
                )
                if repeat:
                    seconds.setdefault(name, []).append(took)
    figures = {name: spread(values) for name, values in sorted(seconds.items())}
    print(f"kept in {keep('peers', machine, figures)}")
    for name, figure in figures.items():
        print(f"{name:12} median {figure['median']:6.2f} s  ({figure['min']}-{figure['max']})")


def tandem(made: Cluster, engine: str) -> float:
    """Return the seconds from typing `fab cluster.start` to its end."""
    begin = time.monotonic()
    made.fab("cluster.start", "--nodes", "3", "--engine", engine)
    took = time.monotonic() - begin
    made.fab("cluster.stop")
    return took


def ssh_cluster(made: Cluster) -> float:
    """Return the seconds until three workers of `dask.distributed.SSHCluster` joined."""
    head, *workers = made.inventory.nodes
    hosts = [node.private_ip for node in (head, head, *workers)]
    login = {
        "username": made.inventory.ssh_user,
        "client_keys": [made.inventory.ssh_key_path],
        "known_hosts": None,
    }
    task = {"hosts": hosts, "options": login, "python": f"{made.environment}/bin/python"}
    begin = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", SSH_CLUSTER, json.dumps(task)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout  # noqa: S101  Popen was given a pipe
        word = process.stdout.readline().strip()
        took = time.monotonic() - begin
        process.communicate("\n", timeout=LIMIT_SECONDS)
    if word != "up":
        raise SystemExit("SSHCluster did not come up")
    return took


def prepare_for_ray_up(made: Cluster) -> None:
    """Install what `ray up` calls on the machines and Tandem does not: rsync."""
    if not shutil.which("rsync"):
        raise SystemExit("ray up calls rsync here too. Next: apt-get install rsync")
    for node in made.inventory.nodes:
        subprocess.run(
            ["docker", "exec", node.instance_id, "sh", "-c",
             "apt-get update -qq && apt-get install -qq -y --no-install-recommends rsync"],
            check=True, timeout=LIMIT_SECONDS, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip


def ray_up(made: Cluster, folder: Path) -> float:
    """Return the seconds until `ray up` with its on-premise provider joined three nodes."""
    head, *workers = made.inventory.nodes
    ray = f"{made.environment}/bin/ray"
    start = "--num-cpus=1 --object-store-memory=300000000 --disable-usage-stats"
    config = {
        "cluster_name": "peer",
        "provider": {
            "type": "local",
            "head_ip": head.private_ip,
            "worker_ips": [node.private_ip for node in workers],
        },
        "auth": {
            "ssh_user": made.inventory.ssh_user,
            "ssh_private_key": made.inventory.ssh_key_path,
        },
        "min_workers": len(workers),
        "max_workers": len(workers),
        "upscaling_speed": 100,
        "head_start_ray_commands": [
            # Its second autoscaler never launches the last worker of this provider.
            f"RAY_enable_autoscaler_v2=0 {ray} start --head --port=6379 {start} "
            f"--node-ip-address={head.private_ip} "
            "--autoscaling-config=~/ray_bootstrap_config.yaml"
        ],
        "worker_start_ray_commands": [f"{ray} start --address=$RAY_HEAD_IP:6379 {start}"],
    }
    path = folder / "peer.yaml"
    path.write_text(json.dumps(config))
    operator_ray = str(Path(sys.executable).parent / "ray")
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    begin = time.monotonic()
    up = subprocess.run(
        [operator_ray, "up", "--yes", "--no-config-cache", str(path)],
        capture_output=True, text=True, timeout=LIMIT_SECONDS, env=environment, check=False,
    )  # fmt: skip
    if up.returncode:
        raise SystemExit(f"ray up failed:\n{up.stdout[-2000:]}\n{up.stderr[-2000:]}")
    while made.on_head(COUNT_NODES).strip() != "3":
        if time.monotonic() - begin > LIMIT_SECONDS:
            raise SystemExit("ray up: the workers did not join")
        time.sleep(0.2)
    took = time.monotonic() - begin
    for node in made.inventory.nodes:
        made.on_node(node, f"{ray} stop --force >/dev/null 2>&1; true")
    return took


if __name__ == "__main__":
    main()
