"""What a lack of memory costs, as a real Dask counts it."""

import pytest

from workloads.flights.pressure import counted, of_dask

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
BLOCK = 30_000_000


def held(number):
    return bytes([number]) * BLOCK


def paused(dask_worker):
    from distributed.core import Status

    dask_worker.status = Status.paused


def test_spills_pauses_and_new_workers_of_dask_are_counted():
    import dask
    from distributed import Client, LocalCluster, wait

    limits = {"target": 0.05, "spill": False, "pause": False, "terminate": False}
    named = {f"distributed.worker.memory.{name}": value for name, value in limits.items()}
    size = {"n_workers": 1, "processes": False, "memory_limit": "1GiB"}
    with (
        dask.config.set(named),
        LocalCluster(**size, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        with counted(lambda: of_dask(client)) as grown:
            kept = client.map(held, range(4))
            wait(kept, timeout=60)
        # Two blocks fit under the twentieth of the limit at most.
        assert 2 * BLOCK <= grown["spilled_bytes"] < 4.1 * BLOCK
        assert (grown["worker_pauses"], grown["workers_added"]) == (0, 0)
        with counted(lambda: of_dask(client)) as grown:
            first = list(client.scheduler_info()["workers"])
            cluster.scale(2)
            client.wait_for_workers(2, timeout=60)
            client.run(paused, workers=first)
        assert (grown["worker_pauses"], grown["workers_added"]) == (1, 1)
        assert (grown["spilled_bytes"], grown["memory_kills"]) == (0, 0)
