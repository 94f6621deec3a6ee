"""Faults in a shared search on three machines: a node and a driver die, and no bit changes."""

import dataclasses
import functools
import secrets

import pytest

from tests.chaos.arena import Arena, Run, wait_until
from tests.doubles.run_specs import run_spec
from workloads import forest

pytestmark = pytest.mark.timeout(900)
# scikit-learn's trees take long enough for a fault to meet them.
PARAMETERS = {
    "dataset": "synthetic-covtype-v1",
    "rows": 1500,
    "folds": 2,
    "grid": {"n_estimators": [20, 1500], "ccp_alpha": [0.001]},
    "builder": "scikit-learn",
}
UNITS = 2 * 1500 // 20


@functools.cache
def reference() -> list[tuple[float, ...]]:
    parameters = forest.validate(PARAMETERS)
    return [one.scores for one in forest.plain(parameters, parameters["seed"])]


def started_search(broken: Arena, which: str) -> Run:
    """Start a search on every node."""
    at = broken.start(which)
    spec = dataclasses.replace(
        run_spec(at.home, PARAMETERS, engine=which),
        run_id=secrets.token_hex(10),
        address=at.address,
        nodes=at.nodes,
        addresses={node.name: node.private_ip for node in broken.inventory.nodes},
        slots=at.slots,
        credentials=at.credentials,
    )
    return broken.launch(spec)


# Runs on the head: what happens there does not wait for a slow computer of the tests.
WHEN_UNITS_ARE_KEPT = """
import glob, json, os, signal, sys, time
folder, deed, give_up = sys.argv[1], sys.argv[2], time.monotonic() + 40
while len(glob.glob(folder + "/shared/*/fold*.json")) < 6:
    if time.monotonic() > give_up:
        print("no")
        raise SystemExit
    time.sleep(0.02)
if deed == "kill":
    with open(folder + "/results.jsonl") as stream:
        os.kill(json.loads(stream.readline())["pid"], signal.SIGKILL)
print("yes")
"""


def once_units_are_kept(broken: Arena, run: Run, deed: str) -> None:
    """Wait until the head keeps six units; kill the driver then if that is the deed."""
    folder = f"{run.spec.home}/runs/{run.spec.run_id}"

    def happened() -> bool:
        script = ("python3", "-c", WHEN_UNITS_ARE_KEPT, folder, deed)
        return broken.on(broken.head, *script).strip() == "yes"

    wait_until(happened, 160, "six units to be kept", run.log)


def check(run: Run) -> dict:
    """Every trial once, with the scores of GridSearchCV; return the last record."""
    trials = run.records("trial")
    assert len({one["trial_id"] for one in trials}) == len(trials) == len(run.spec.trials)
    scores = {one["trial_id"]: tuple(one["scores"]) for one in trials}
    assert [scores[trial.trial_id] for trial in run.spec.trials] == reference()
    last = run.records()[-1]
    assert last["kind"] == "finished", last
    assert last["summary"]["trials_ok"] == len(trials)
    return last


def test_a_machine_that_loses_power_half_way_changes_no_bit(broken: Arena, which: str):
    run = started_search(broken, which)
    once_units_are_kept(broken, run, "nothing")
    victim = broken.workers[-1]
    broken.kill_machine(victim)
    assert run.records()[-1]["kind"] != "finished"
    run.wait_for_end(240)
    last = check(run)
    assert {record["node"] for record in run.records("death")} == {victim}
    assert last["retries"] <= 1


def test_a_driver_killed_half_way_does_only_what_was_under_way_again(broken: Arena, which: str):
    run = started_search(broken, which)
    once_units_are_kept(broken, run, "kill")
    assert not broken.runs(broken.head, run.driver_pid())
    folder = f"{run.spec.home}/runs/{run.spec.run_id}/shared"
    listed = broken.on(broken.head, "sh", "-c", f"ls {folder}/*/ | grep -c ^fold || true")
    kept = int(listed)
    assert 6 <= kept < UNITS - 20
    run.start()
    run.wait_for_end(240)
    assert check(run)["units"] <= UNITS - kept + 1  # one tells of trials that were complete
