"""Faults in a run on three machines: what is finished stays, what is lost is done again.

Every test proves that its fault happened and met work, that the run then came to the right
end, and that the checker which says so would have seen a wrong one.
"""

from tests.chaos.arena import Arena, Run, wait_until
from tests.chaos.checker import faults, mutants

GOOD = {"kind": "sleep", "seconds": 0.4}


def check(run: Run) -> None:
    """Demand that nothing is lost, doubled or wrong, of a checker that can say no."""
    records = run.records()
    assert faults(run.spec, records) == []
    for name, mutant in mutants(records).items():
        assert faults(run.spec, mutant) != [], f"the checker does not see {name}"


def busy_run(broken: Arena, which: str, trials: int = 60) -> Run:
    """Start a run of good trials and wait until each node has begun some of them."""
    broken.start(which)
    run = broken.launch(broken.spec([GOOD] * trials))
    run.wait_for_trials(4)
    for name in broken.inventory.nodes:
        wait_until(lambda name=name.name: broken.attempts(name), 30, f"work on {name.name}")
    assert len(run.records("trial")) < trials
    return run


def deaths(run: Run) -> set[str]:
    return {record["node"] for record in run.records("death")}


def test_units_that_hang_hog_die_or_raise_fail_alone(broken: Arena, which: str):
    broken.start(which)
    before = {node.name: broken.engine_pids(node.name) for node in broken.inventory.nodes}
    bad = {
        "hang": ("did not end within 4 s", 2),
        "hog": ("out of memory: ", 2),
        "die": ("its process was ended by SIGKILL", 3),
        "raise": ("ValueError: as it was told to", 1),
    }
    trials = [*({"kind": kind} for kind in bad), *[{**GOOD, "seconds": 0.1}] * 12]
    run = broken.launch(broken.spec(trials, unit_deadline_seconds=4.0))
    run.wait_for_end(150)
    check(run)
    begun = [number for node in broken.inventory.nodes for number in broken.attempts(node.name)]
    results = {one["parameters"]["number"]: one for one in run.records("trial")}
    for number, (reason, attempts) in enumerate(bad.values()):
        assert results[number]["reason"].startswith(reason)
        assert results[number]["attempts"] == attempts == begun.count(number)
    assert all(begun.count(number) == 1 for number in range(len(bad), len(trials)))
    assert len(run.records("death")) >= 7
    after = {node.name: broken.engine_pids(node.name) for node in broken.inventory.nodes}
    assert after == before
    for name, pids in after.items():
        assert all(broken.runs(name, pid) for pid in pids.values())


def test_a_driver_killed_and_started_again_repeats_nothing(broken: Arena, which: str):
    run = busy_run(broken, which)
    pid = run.driver_pid()
    broken.kill(broken.head, pid)
    kept = run.text()
    done = [record["parameters"]["number"] for record in run.records("trial")]
    assert 0 < len(done) < 60
    run.start()
    run.wait_for_end(120)
    assert run.text().startswith(kept)
    assert [record["kind"] for record in run.records()].count("started") == 2
    assert run.driver_pid() != pid
    check(run)
    begun = [number for node in broken.inventory.nodes for number in broken.attempts(node.name)]
    assert [number for number in done if begun.count(number) != 1] == []


def test_a_machine_that_loses_power_costs_one_unit(broken: Arena, which: str):
    run = busy_run(broken, which)
    victim = broken.workers[-1]
    broken.kill_machine(victim)
    assert run.records()[-1]["kind"] != "finished"
    run.wait_for_end(120)
    check(run)
    assert deaths(run) == {victim}
    assert run.records("finished")[0]["retries"] >= 1


def test_a_worker_process_killed_costs_one_unit(broken: Arena, which: str):
    run = busy_run(broken, which, trials=100 if which == "ray" else 60)
    victim = broken.workers[0]
    if which == "ray":
        # The process has the actor's name, and the work's while it does some.
        (pid,) = broken.pids(victim, "ray::(_SlotActor|chaos)")
    else:
        pid = broken.engine_pids(victim)[victim]
    broken.kill(victim, pid)
    assert run.records()[-1]["kind"] != "finished"
    run.wait_for_end(120)
    check(run)
    assert deaths(run) == {victim}
    if which == "ray":  # its node lives, so another actor takes the slot
        records = run.records()
        death = next(i for i, one in enumerate(records) if one["kind"] == "death")
        assert [victim] in [one.get("nodes") for one in records[death:]]


def test_a_worker_cut_from_the_network_does_not_hold_the_run_up(broken: Arena, which: str):
    """With Ray's default settings the run stood still for seven minutes beside free nodes."""
    run = busy_run(broken, which)
    victim = broken.workers[-1]
    broken.cut_network(victim)
    assert run.records()[-1]["kind"] != "finished"
    took = run.wait_for_end(60)
    assert not broken.reaches(broken.head, victim)
    check(run)
    assert deaths(run) == {victim}
    assert took < 60


def test_a_paused_worker_does_not_end_the_run(broken: Arena, which: str):
    """With Dask's default settings the paused worker took the run along."""
    run = busy_run(broken, which)
    victim = broken.workers[-1]
    broken.pause_machine(victim)
    assert run.records()[-1]["kind"] != "finished"
    run.wait_for_end(90)
    assert broken.state_of(victim)["Paused"]
    check(run)
    assert deaths(run) == {victim}
    whole = run.text()
    broken.wake_machine(victim)
    wait_until(lambda: bool(broken.attempts(victim)), 20, "the machine to wake up")
    assert run.text() == whole


def test_a_head_without_its_engine_ends_the_run_with_the_reason(broken: Arena, which: str):
    run = busy_run(broken, which)
    pids = broken.engine_pids(broken.head)
    broken.kill(broken.head, pids["gcs_server" if which == "ray" else "scheduler"])
    kept = run.records("trial")
    run.wait_for_end(60)
    records = run.records()
    assert records[-1]["kind"] == "failed"
    assert "cannot be used" in records[-1]["reason"]
    assert run.records("trial")[: len(kept)] == kept
    assert faults(run.spec, records) != []
    wait_until(lambda: not broken.runs(broken.head, run.driver_pid()), 30, "the driver to go")
