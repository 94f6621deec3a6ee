"""Faults that heal, and many faults in one run; minutes each, so not part of `make test`."""

import os
import random
import time

import pytest

from tests.chaos.arena import Arena, Run
from tests.chaos.test_faults import busy_run, check, deaths

pytestmark = pytest.mark.long

SEEDS = [int(seed) for seed in os.environ.get("TANDEM_SEEDS", "1,2,3").split(",")]


def test_a_worker_paused_and_woken_gives_no_result_twice(broken: Arena, which: str):
    run = busy_run(broken, which, trials=300)
    victim = broken.workers[0]
    broken.pause_machine(victim)
    time.sleep(45)
    broken.wake_machine(victim)
    assert run.records()[-1]["kind"] != "finished"
    run.wait_for_end(200)
    check(run)
    assert deaths(run) == {victim}


@pytest.mark.parametrize("seconds", [5, 60])
def test_a_worker_cut_off_for_a_while_gives_no_result_twice(
    broken: Arena, which: str, seconds: int
):
    run = busy_run(broken, which, trials=180 if seconds == 5 else 400)
    victim = broken.workers[0]
    broken.cut_network(victim)
    time.sleep(seconds)
    broken.join_network(victim)
    assert run.records()[-1]["kind"] != "finished"
    run.wait_for_end(200)
    check(run)
    assert deaths(run) <= {victim}


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_dies_while_one_worker_lives_nothing_is_lost(
    broken: Arena, which: str, seed: int
):
    """Unit processes of all nodes die at random, and one worker's machine for good."""
    print(f"seed={seed}: TANDEM_SEEDS={seed} pytest -m long tests/chaos")
    chance = random.Random(seed)  # noqa: S311  it has to be repeatable
    run = busy_run(broken, which, trials=160)
    hit = 0
    for _ in range(6):
        time.sleep(chance.uniform(0.5, 4))
        hit += _kill_a_unit(broken, run, chance.choice(broken.inventory.nodes).name)
    broken.kill_machine(chance.choice(broken.workers))
    assert run.records()[-1]["kind"] != "finished"
    run.wait_for_end(200)
    assert hit > 0
    check(run)


def _kill_a_unit(broken: Arena, run: Run, node: str) -> int:
    """Kill the process in which a node runs units; return how many died so."""
    found = broken.pids(node, "workloads.engines.unit_process")
    if not found or run.records()[-1]["kind"] == "finished":
        return 0
    broken.on(node, "sh", "-c", f"kill -9 {found[0]} || true")
    return 1
