"""Ray as an engine: one actor per slot, pinned to its node, restarted by us and not by Ray."""

import contextlib
import json
import logging
import os
import time
from typing import Any

from contracts.environment import RAY_CLIENT
from contracts.errors import DeadlineError
from workloads.engines import (
    Back,
    EngineLost,
    Finished,
    Lost,
    Outcome,
    Report,
    Slot,
    Unit,
    first_line,
    knock,
    slots_of,
    task_name,
)
from workloads.engines.slot_process import SlotProcess
from workloads.engines.unit_process import as_json
from workloads.runs import RunSpec

LOOK_SECONDS = 2.0
ANSWER_SECONDS = 10.0
MOST_RESTARTS = 5


class _SlotActor:
    """What Ray runs for a slot: it keeps the slot's process and passes text through."""

    def __init__(self) -> None:
        self._process = SlotProcess()

    def ready(self) -> bool:
        """Answer, which an actor does only once it runs."""
        return True

    def call(self, function: str, arguments: str, deadline_seconds: float) -> str:
        """Work on one unit; arguments and outcome are JSON."""
        outcome = self._process.call(function, json.loads(arguments), deadline_seconds)
        return json.dumps(as_json(outcome), allow_nan=False)


class RayEngine:
    """A Ray cluster, seen from a driver on its head.

    Ray retries nothing: a lost slot is reported, and where its node still lives another
    actor is started there.
    """

    def __init__(self, spec: RunSpec) -> None:
        self.slots = slots_of(spec)
        self._address = spec.address
        self._node_of = {ip: node for node, ip in spec.addresses.items()}
        self._head_ip = spec.addresses[spec.nodes[0]]
        self._token = spec.credentials.get("ray_token")
        self._actors: dict[Slot, Any] = {}
        self._calls: dict[Any, tuple[str | None, Slot]] = {}  # no ticket: an actor's start
        self._restarts: dict[Slot, int] = {}
        self._watched: set[Slot] | None = None  # the slots left to a program, while they live
        self._looked = 0.0
        self._ray: Any = None

    def connect(self, timeout: float) -> None:
        """Reach Ray and start an actor in each slot."""
        give_up = time.monotonic() + timeout
        self._ray = open_ray(self._address, self._head_ip, self._token)
        self._await_nodes(give_up, timeout)
        for slot in self.slots:
            self._start_actor(slot)
        while self._calls:
            if time.monotonic() > give_up:
                waiting = ", ".join(slot.name for _, slot in self._calls.values())
                raise _late("its Ray actor to start", waiting, timeout, "in the cluster")
            for report in self._collect(1.0):
                if isinstance(report, Lost):
                    raise _lost(report.slot.name, report.detail)

    def submit(self, ticket: str, slot: Slot, unit: Unit, deadline_seconds: float) -> None:
        """Start one attempt at a unit."""
        arguments = json.dumps(dict(unit.arguments), allow_nan=False)
        work = self._actors[slot].call.options(name=task_name(unit.function))
        call = work.remote(unit.function, arguments, deadline_seconds)
        self._calls[call] = (ticket, slot)

    def wait(self, timeout: float) -> list[Report]:
        """Return what happened: ended attempts, lost slots, slots that work again."""
        reports = self._collect(timeout)
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            reports += self._look()
        return reports

    def release(self) -> None:
        """Kill the actors, whose CPUs are those that a program asks Ray for."""
        self._watched = set(self._actors)
        self._kill_actors()
        self._actors.clear()
        self._calls.clear()

    def close(self) -> None:
        """Kill the actors and leave the cluster."""
        if self._ray is None:
            return
        self._kill_actors()
        self._ray.shutdown()

    def _kill_actors(self) -> None:
        for actor in self._actors.values():
            with contextlib.suppress(Exception):
                self._ray.kill(actor)

    def _await_nodes(self, give_up: float, timeout: float) -> None:
        wanted = {slot.node for slot in self.slots}
        while missing := wanted - set(self._live_nodes()):
            if time.monotonic() > give_up:
                names = ", ".join(sorted(missing))
                raise _late(
                    "Ray to have it as a live node", names, timeout, "not in the cluster"
                )
            time.sleep(0.5)

    def _live_nodes(self) -> dict[str, str]:
        """Return Ray's id of each live node of ours, by our name of it."""
        nodes = (node for node in self._ray.nodes() if node["Alive"])
        named = (
            (self._node_of.get(node["NodeManagerAddress"]), node["NodeID"]) for node in nodes
        )
        return {name: node_id for name, node_id in named if name is not None}

    def _start_actor(self, slot: Slot) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node_id = self._live_nodes().get(slot.node)
        if node_id is None:
            return
        options = self._ray.remote(_SlotActor).options(
            num_cpus=1,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
        )
        actor = self._actors[slot] = options.remote()
        self._calls[actor.ready.remote()] = (None, slot)

    def _collect(self, timeout: float) -> list[Report]:
        """Wait for the first call that ended, then take all that did."""
        calls = list(self._calls)
        if not calls:
            time.sleep(timeout)
            return []
        self._ray.wait(calls, num_returns=1, timeout=timeout)
        ended, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
        reports = []
        for call in ended:
            if call in self._calls:  # a slot buried a moment ago took its calls along
                reports += self._take(call, *self._calls.pop(call))
        return reports

    def _take(self, call: Any, ticket: str | None, slot: Slot) -> list[Report]:
        try:
            value = self._ray.get(call, timeout=ANSWER_SECONDS)
        except self._ray.exceptions.OutOfMemoryError as error:
            outcome = Outcome("memory", None, "out of memory: Ray ended its process")
            known = [Finished(ticket, outcome)] if ticket is not None else []
            return [*known, *self._bury(slot, first_line(error))]
        except (self._ray.exceptions.RayError, TimeoutError) as error:
            return self._bury(slot, first_line(error))
        if ticket is None:
            return [Back(slot)]
        self._restarts.pop(slot, None)
        return [Finished(ticket, Outcome(**json.loads(value)))]

    def _bury(self, slot: Slot, detail: str) -> list[Report]:
        """Forget a slot's actor and whatever it was doing."""
        actor = self._actors.pop(slot, None)
        if actor is None:
            return []
        with contextlib.suppress(Exception):
            self._ray.kill(actor)
        for call, (_, owner) in list(self._calls.items()):
            if owner == slot:
                del self._calls[call]
        return [Lost(slot, detail)]

    def _look(self) -> list[Report]:
        """Ask Ray which nodes live: bury slots of dead ones, start what can be started."""
        self._looked = time.monotonic()
        check_head(self._address)
        live = self._live_nodes()
        if self._watched is not None:
            gone = {slot for slot in self._watched if slot.node not in live}
            self._watched -= gone
            words = "its node left the Ray cluster"
            return [Lost(slot, words) for slot in self.slots if slot in gone]
        reports: list[Report] = []
        for slot in self.slots:
            if slot in self._actors:
                if slot.node not in live:
                    reports += self._bury(slot, "its node left the Ray cluster")
            elif slot.node in live and self._restarts.get(slot, 0) < MOST_RESTARTS:
                self._restarts[slot] = self._restarts.get(slot, 0) + 1
                self._start_actor(slot)
        return reports


def open_ray(address: str, ip: str, token: str | None) -> Any:
    """Return the library of Ray, connected to the head at `address` from the node `ip`.

    Raises
    ------
    EngineLost
        If the head does not answer or refuses the token, which is the path of a file.
    """
    os.environ.update(RAY_CLIENT)
    if token:
        os.environ["RAY_AUTH_TOKEN_PATH"] = token
    import ray

    check_head(address)
    try:
        ray.init(
            address=address,
            _node_ip_address=ip,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False,
        )
    except Exception as error:  # Ray raises half a dozen kinds for "no" and "nobody there"
        raise _lost(address, first_line(error)) from error
    return ray


def check_head(address: str) -> None:
    """Notice a dead head before Ray's library ends this process because of it."""
    for attempt in range(2):
        try:
            knock(address, ANSWER_SECONDS / 2)
        except OSError as error:
            if attempt:
                raise _lost(address, first_line(error)) from error
            time.sleep(0.5)
        else:
            return


def _lost(whom: str, cause: str) -> EngineLost:
    return EngineLost(
        f"Ray at {whom} cannot be used.",
        cause=cause,
        next_step="fab cluster.status, then fab cluster.start --engine ray",
    )


def _late(waited_for: str, whom: str, seconds: float, state: str) -> DeadlineError:
    return DeadlineError(
        waited_for=waited_for,
        whom=whom,
        seconds=seconds,
        last_state=state,
        next_step="fab cluster.status, then fab cluster.start --engine ray",
    )
