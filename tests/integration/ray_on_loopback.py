"""Two nodes of Ray in a process of their own: `python -m ... HEAD WORKER`, two addresses.

It prints the head's address; the line "end" ends the second node; no more input ends all.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

from ray.cluster_utils import Cluster


def main(head: str, worker: str) -> None:
    """Start both, do what is said, and end them."""
    said = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # Ray's own words are not answers
    cluster = Cluster(shutdown_at_exit=True)
    own = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20}
    try:
        _patiently(lambda: cluster.add_node(**own, node_ip_address=head))
        other = _patiently(lambda: cluster.add_node(**own, node_ip_address=worker))
        said.write(f"{cluster.address}\n")
        for _ in sys.stdin:
            cluster.remove_node(other, allow_graceful=False)
            said.write("ended\n")
    finally:
        cluster.shutdown()


def _patiently(start: Callable[[], Any]) -> Any:
    """Start a node of Ray; it gives itself 30 seconds, which a busy machine may not have."""
    for _ in range(2):
        with contextlib.suppress(Exception):
            return start()
    return start()


if __name__ == "__main__":
    main(*sys.argv[1:])
