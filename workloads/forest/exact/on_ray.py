"""A running Ray as the engine of a search: `engine=RayUnits()`."""

import contextlib
import json
from pathlib import Path
from typing import Any, cast

import numpy as np

from contracts.errors import UsageError
from workloads.engines import Engine, Slot
from workloads.engines.ray_engine import RayEngine
from workloads.engines.slot_process import SlotProcess
from workloads.engines.unit_process import as_json
from workloads.forest.exact.delivery import at_home, bring, is_here
from workloads.forest.exact.elsewhere import UnitsElsewhere


class RayUnits(UnitsElsewhere):
    """Does units on the Ray that this process is connected to, one for each CPU of a node.

    The data file is put into the object store once; each node writes it down once, and its
    processes map that file. The nodes must be able to import this package.

    Examples
    --------
    ::

        ray.init("auto")
        ExactForestSearchCV(forest, grid, engine=RayUnits()).fit(x, y)
    """

    def open(self, data: Path) -> Engine:
        """Return the slots of the running Ray.

        Raises
        ------
        UsageError
            If this process is not connected to any.
        """
        import ray

        if not ray.is_initialized():
            raise UsageError("There is no Ray to work on.", next_step='ray.init("auto")')
        return cast(Engine, _RunningRay(ray, data))


class _DataSlot:
    """What Ray runs for a slot: it sees that its node has the data, and keeps a process."""

    def __init__(self) -> None:
        self._process = SlotProcess()

    def ready(self, name: str, content: list[Any]) -> bool:
        """Write the data file unless this node has it; only then is anything fetched."""
        import ray

        if not is_here(name):
            bring(name, [memoryview(ray.get(content[0]))])
        return True

    def call(self, function: str, arguments: str, deadline_seconds: float) -> str:
        """Work on one unit; arguments and outcome are JSON."""
        given = at_home(json.loads(arguments))
        outcome = self._process.call(function, given, deadline_seconds)
        return json.dumps(as_json(outcome), allow_nan=False)


class _RunningRay(RayEngine):
    """The slots of a Ray that somebody else started and will end: every CPU of every node."""

    def __init__(self, ray: Any, data: Path) -> None:
        self.slots = ()
        self._ray = ray
        self._data = data
        self._content: Any = None
        self._address = ""
        self._actors = {}
        self._calls = {}
        self._restarts = {}
        self._watched = None
        self._looked = 0.0

    def connect(self, timeout: float) -> None:
        """Put the data file where every node can fetch it; slots report when they are ready."""
        self._address = self._ray.get_runtime_context().gcs_address
        self._content = self._ray.put(np.fromfile(self._data, dtype=np.uint8))

    def close(self) -> None:
        """Kill the actors; Ray itself goes on."""
        for actor in self._actors.values():
            with contextlib.suppress(Exception):
                self._ray.kill(actor)
        self._content = None

    def _live_nodes(self) -> dict[str, str]:
        found = {node["NodeID"]: node for node in self._ray.nodes() if node["Alive"]}
        known = {slot.node for slot in self.slots}
        for name in found.keys() - known:
            cpus = int(found[name]["Resources"].get("CPU", 0))
            self.slots = (*self.slots, *(Slot(name, index) for index in range(cpus)))
        return {name: name for name in found}

    def _start_actor(self, slot: Slot) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        options = self._ray.remote(_DataSlot).options(
            num_cpus=1,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(slot.node, soft=False),
        )
        actor = self._actors[slot] = options.remote()
        self._calls[actor.ready.remote(self._data.name, [self._content])] = (None, slot)
