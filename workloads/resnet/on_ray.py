"""ResNet-18 on Ray: an actor with all CPUs of each node; gradients travel beside it."""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workloads.engines import Outcome, first_line
from workloads.engines.slot_process import SlotProcess
from workloads.engines.unit_process import as_json
from workloads.programs import Connected
from workloads.resnet import crew
from workloads.resnet.baseline import trial
from workloads.resnet.crew import Place

LOOK_SECONDS = 1.0


class Trainer:
    """What Ray runs on a node: it keeps the training's process and passes text through."""

    def __init__(self) -> None:
        self._process = SlotProcess()

    def call(self, function: str, arguments: str, seconds: float) -> str:
        """Call a function of the training; arguments and outcome are JSON."""
        outcome = self._process.call(function, json.loads(arguments), seconds)
        return json.dumps(as_json(outcome), allow_nan=False)


class RayCrew:
    """An actor on each node, which goes when the program's process does."""

    def __init__(self, ray: Any, addresses: Mapping[str, str]) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray = ray
        self.places: list[Place] = []
        self._actors: list[Any] = []
        known = {one["NodeManagerAddress"]: one for one in ray.nodes() if one["Alive"]}
        for name, host in addresses.items():
            if host not in known:
                continue
            cpus = int(known[host]["Resources"].get("CPU", 1))
            pinned = NodeAffinitySchedulingStrategy(known[host]["NodeID"], soft=False)
            made = ray.remote(Trainer).options(
                num_cpus=cpus, max_restarts=0, max_task_retries=0, scheduling_strategy=pinned
            )
            self.places.append(Place(name, host, cpus))
            self._actors.append(made.remote())

    def each(
        self, function: str, arguments: Sequence[Mapping[str, Any]], seconds: float
    ) -> Iterator[tuple[int, Outcome | None]]:
        """Yield what each place's call came to; the process is that of its actor."""
        calls = {
            actor.call.remote(function, json.dumps(given), seconds): number
            for number, (given, actor) in enumerate(zip(arguments, self._actors, strict=True))
        }
        while calls:
            ended, _ = self._ray.wait(list(calls), num_returns=1, timeout=LOOK_SECONDS)
            if not ended:
                yield 0, None
            for call in ended:
                yield calls.pop(call), self._outcome(call)

    def _outcome(self, call: Any) -> Outcome:
        try:
            return Outcome(**json.loads(self._ray.get(call)))
        except Exception as error:  # whatever Ray raises in place of a result
            return Outcome("killed", None, first_line(error))


@functools.lru_cache(maxsize=1)
def _crew(addresses: tuple[tuple[str, str], ...]) -> RayCrew:
    """Return the crew of these nodes, kept so that a warm-up serves the training after it."""
    import ray

    return RayCrew(ray, dict(addresses))


def train(
    connected: Connected, *, data: Mapping[str, Any], recipe: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Train on every node at once."""
    given = {"home": connected.home, "data": data, "recipe": recipe}
    known = _crew(tuple(connected.addresses.items()))
    return [trial(crew.train(known, given, connected.counting("epochs")))]


def warm_up(
    connected: Connected, *, data: Mapping[str, Any], recipe: Mapping[str, Any]
) -> bool:
    """Load and compile on every node what the training will need."""
    given = {"home": connected.home, "data": data, "recipe": recipe}
    return crew.warm_up(_crew(tuple(connected.addresses.items())), given)
