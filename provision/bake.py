"""What is done to a machine before an image is taken of it."""

import time
from pathlib import Path

from contracts.inventory import Inventory
from contracts.progress import Tell, step
from provision import lock as locks
from provision import python_env
from provision.environment_plan import EnvironmentPlan, environment_plan
from provision.facts import Facts, parse
from provision.links import Links
from provision.lock import Lock
from provision.remote_program import NodeFailure, Program, call

CHECK = Program("check", needs=("environment", "records"))
BAKE = Program("bake", needs=("watchdog_service",))
CHECK_SECONDS = 60.0
BAKE_SECONDS = 150.0


def bake(inventory: Inventory, lock: Path, state: Path, tell: Tell) -> str:
    """Bring the environment to the one machine of an inventory, and forget all else on it.

    Returns the fingerprint of the environment. Afterwards nobody can log in to the machine.

    Raises
    ------
    NodeFailure
        If the environment or what is secret is not where an image may have it.
    """
    wanted, name = locks.load(lock), inventory.head.name
    with Links(inventory) as links:
        facts, plan = _look(links, inventory, wanted)
        if plan.action != "keep":
            with step(tell, name, "environment"):
                origin = python_env.source(state)
                python_env.bring(
                    links[name], facts, plan, wanted, origin, tell, compile_all=True
                )
            facts, plan = _look(links, inventory, wanted)
        if plan.action != "keep":
            raise NodeFailure(f"The environment of {name} is not what the lock says.")
        with step(tell, name, "forget"):
            call(links[name], BAKE, {"keep": plan.path}, timeout=BAKE_SECONDS)
    return wanted.fingerprint


def _look(links: Links, inventory: Inventory, lock: Lock) -> tuple[Facts, EnvironmentPlan]:
    node = inventory.head
    ask = {"lock": lock.fingerprint, "code": "none", "address": node.private_ip}
    answer = call(links[node.name], CHECK, ask, timeout=CHECK_SECONDS)
    facts = parse(node.name, answer, clock=time.time())
    return facts, environment_plan(facts, lock)
