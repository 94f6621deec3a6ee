"""One fit over the rows of all nodes on Ray, for data that no node can hold.

Ray's own trainer of XGBoost needs packages of Ray Train and Tune on every node. XGBoost's own
collective is all that it uses below, and a task on each slot is all that this takes.
"""

import time
from collections.abc import Mapping
from typing import Any

from workloads.programs import Connected, on_every_ray_node
from workloads.xgboost import boosting, doors, samples
from workloads.xgboost.on_dask import held_out_rows, rows_between


def train(
    connected: Connected,
    *,
    data: Mapping[str, Any],
    fitting: Mapping[str, Any],
    chosen: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Fit in a task on each slot at once, each to its own part of the rows."""
    import xgboost
    from xgboost.tracker import RabitTracker

    ray = connected.client
    begin = time.monotonic()
    head = ray.util.get_node_ip_address()
    tracker = RabitTracker(n_workers=connected.slots, host_ip=head, sortby="task")
    tracker.start()
    task = ray.remote(_part).options(scheduling_strategy="SPREAD", max_retries=0)
    told = [
        task.remote(
            place, connected.slots, tracker.worker_args(), connected.home, data, fitting, chosen
        )
        for place in range(connected.slots)
    ]
    found = ray.get(told)
    tracker.wait_for()
    model = xgboost.Booster(model_file=bytearray(found[0][0]))
    held_out = held_out_rows(connected.home, data)
    errors = [boosting.error_on(model, held_out, one) for one in fitting["rounds"]]
    read = max(seconds for _, seconds in found)
    return [boosting.outcome(errors, fitting, chosen, begin, read)]


def warm_up(connected: Connected) -> bool:
    """Load all that a first fit would have to load, here and in a worker for each slot."""
    host = connected.addresses[connected.nodes[0]]
    with doors.opened(host) as port:
        doors.check(host, on_every_ray_node(connected.client, doors.knock, host, port))
    on_every_ray_node(connected.client, boosting.warm_up)
    return boosting.warm_up()


def _part(
    place: int,
    places: int,
    rendezvous: Mapping[str, Any],
    home: str,
    data: Mapping[str, Any],
    fitting: Mapping[str, Any],
    chosen: Mapping[str, float],
) -> tuple[bytes, float]:
    """Take part in a fit; return the model, the same everywhere, and the seconds of reading."""
    import xgboost
    from xgboost.collective import CommunicatorContext

    begin = time.monotonic()
    count = samples.training_rows(data["rows"])
    rows = rows_between(home, data, count * place // places, count * (place + 1) // places)
    read = time.monotonic() - begin
    with CommunicatorContext(**rendezvous, dmlc_task_id=f"{place:06}"):
        binned = xgboost.QuantileDMatrix(
            rows[:, :-1], rows[:, -1], max_bin=fitting["max_bin"], nthread=fitting["threads"]
        )
        settings = boosting.settings(fitting, chosen)
        model = xgboost.train(settings, binned, max(fitting["rounds"]))
    return bytes(model.save_raw()) if place == 0 else b"", read
