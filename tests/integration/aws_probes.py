"""What tests run on and behind the machines of the double to see what can be reached."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Listen on ports, try ports, and ask the metadata service; each is a program for `inside`.
LISTEN = """
import select, socket, sys
held = [socket.create_server(("", int(port))) for port in sys.argv[1:]]
print("listening", flush=True)
while True:
    for one in select.select(held, [], [])[0]:
        one.accept()[0].close()
"""
TRY = """
import concurrent.futures, json, socket, sys
def reach(port):
    try:
        socket.create_connection((sys.argv[1], int(port)), 3).close()
    except OSError:
        return False
    return True
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    print(json.dumps(dict(zip(sys.argv[2:], pool.map(reach, sys.argv[2:])))))
"""
ASK = """
import sys, urllib.error, urllib.request
def ask(path, headers, method="GET"):
    request = urllib.request.Request(
        "http://169.254.169.254/latest/" + path, headers=headers, method=method)
    try:
        return urllib.request.urlopen(request, timeout=5).read().decode()
    except urllib.error.HTTPError as error:
        return str(error.code)
print(ask("meta-data/instance-id", {}))
print(ask("meta-data/instance-id", {"X-aws-ec2-metadata-token": "made up"}))
token = ask("api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")
known = {"X-aws-ec2-metadata-token": token}
print(ask("meta-data/instance-id", known))
role = ask("meta-data/iam/security-credentials/", known)
print(ask("meta-data/iam/security-credentials/" + role, known).replace("\\n", " "))
"""


@contextmanager
def a_container_within(container: Any) -> Iterator[list[str]]:
    """A network behind a machine's own, as that of a container on it; give how to enter it."""
    outer = str(container.attrs["State"]["Pid"])
    with subprocess.Popen(["unshare", "--net", "sleep", "600"]) as inner:
        pid = str(inner.pid)
        wait_for_network(inner.pid)
        enter, behind = ["nsenter", "-n", "-t", outer], ["nsenter", "-n", "-t", pid]
        link = f"tv{pid}"
        try:
            for words in (
                ["ip", "link", "add", link, "type", "veth", "peer", "name", "inner0"],
                ["ip", "link", "set", link, "netns", outer],
                ["ip", "link", "set", "inner0", "netns", pid],
                [*enter, "ip", "address", "add", "100.64.9.1/30", "dev", link],
                [*enter, "ip", "link", "set", link, "up"],
                [*behind, "ip", "address", "add", "100.64.9.2/30", "dev", "inner0"],
                [*behind, "ip", "link", "set", "inner0", "up"],
                [*behind, "ip", "route", "add", "default", "via", "100.64.9.1"],
            ):
                subprocess.run(words, check=True, timeout=20)
            yield behind
        finally:
            inner.kill()


def wait_for_network(pid: int, seconds: float = 20) -> None:
    """Wait until a process has a network of its own."""
    own, end = os.readlink("/proc/self/ns/net"), time.monotonic() + seconds
    while os.readlink(f"/proc/{pid}/ns/net") == own:
        assert time.monotonic() < end
        time.sleep(0.05)


def await_end(cluster: Any, instance: str, seconds: float = 120) -> dict[str, Any]:
    """Wait until the cloud says terminated; return what it says then."""
    end = time.monotonic() + seconds
    while describe(cluster, instance)["State"]["Name"] != "terminated":
        assert time.monotonic() < end, describe(cluster, instance)["State"]
        time.sleep(0.3)
    return describe(cluster, instance)


def describe(cluster: Any, instance: str) -> dict[str, Any]:
    """Return what the cloud says of an instance."""
    ec2 = cluster.account.client("ec2")
    (found,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    machine: dict[str, Any] = found["Instances"][0]
    return machine
