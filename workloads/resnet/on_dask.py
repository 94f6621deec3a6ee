"""ResNet-18 on Dask: a task pinned to one worker of each node; gradients travel beside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workloads.engines import Outcome, first_line
from workloads.engines.dask_engine import call_slot
from workloads.programs import Connected
from workloads.resnet import crew
from workloads.resnet.baseline import trial
from workloads.resnet.crew import Place

LOOK_SECONDS = 1.0


class DaskCrew:
    """The first worker of each node, with the threads of all workers that the node has."""

    def __init__(self, connected: Connected) -> None:
        self._client = connected.client
        info = self._client.scheduler_info(n_workers=-1)["workers"]
        self.places: list[Place] = []
        self._workers: list[str] = []
        for name, host in connected.addresses.items():
            own = sorted(address for address, one in info.items() if one["host"] == host)
            if own:
                threads = sum(info[address]["nthreads"] for address in own)
                self.places.append(Place(name, host, threads))
                self._workers.append(own[0])

    def each(
        self, function: str, arguments: Sequence[Mapping[str, Any]], seconds: float
    ) -> Iterator[tuple[int, Outcome | None]]:
        """Yield what each place's call came to; the process is that of the worker's slot."""
        from distributed import wait

        calls = {
            self._client.submit(
                call_slot, function, json.dumps(given), seconds, workers=[worker],
                allow_other_workers=False, retries=0, pure=False,
            ): number
            for number, (given, worker) in enumerate(zip(arguments, self._workers, strict=True))
        }  # fmt: skip
        while calls:
            try:
                found = wait(list(calls), LOOK_SECONDS, "FIRST_COMPLETED")
            except TimeoutError:
                yield 0, None
                continue
            for call in found.done:
                yield calls.pop(call), _outcome(call)


def train(
    connected: Connected, *, data: Mapping[str, Any], recipe: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Train on every node at once."""
    given = {"home": connected.home, "data": data, "recipe": recipe}
    return [trial(crew.train(DaskCrew(connected), given, connected.counting("epochs")))]


def warm_up(
    connected: Connected, *, data: Mapping[str, Any], recipe: Mapping[str, Any]
) -> bool:
    """Load and compile on every node what the training will need."""
    given = {"home": connected.home, "data": data, "recipe": recipe}
    return crew.warm_up(DaskCrew(connected), given)


def _outcome(call: Any) -> Outcome:
    try:
        return Outcome(**json.loads(call.result()))
    except Exception as error:  # whatever Dask raises in place of a result
        return Outcome("killed", None, first_line(error))
