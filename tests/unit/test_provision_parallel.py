"""Work on many nodes: bounded, every outcome kept, no wait without an end."""

import threading
import time

import pytest

from contracts.errors import (
    BAD_USAGE,
    DEADLINE_PASSED,
    FAILED,
    PARTIAL,
    REFUSED,
    DeadlineError,
    PartialError,
    RefusedError,
    TandemError,
    UsageError,
)
from provision.parallel import NodesFailed, on_each


def test_every_node_is_tried_and_every_outcome_is_kept():
    def work(name):
        if name in ("b", "d"):
            raise TandemError(f"{name} is ill", next_step=f"see to {name}")
        return name.upper()

    outcomes = on_each("working", ["a", "b", "c", "d"], work, seconds=10)
    assert outcomes.done == {"a": "A", "c": "C"}
    assert list(outcomes.failed) == ["b", "d"]
    with pytest.raises(NodesFailed) as caught:
        outcomes.values()
    told = str(caught.value)
    assert "working failed on 2 of 4 nodes" in told
    assert "b: b is ill" in told
    assert "see to b; see to d" in told


def test_values_come_in_the_order_of_the_names():
    outcomes = on_each("x", list("cab"), lambda name: name, seconds=10)
    assert list(outcomes.values()) == list("cab")


def test_an_error_of_the_only_node_is_told_as_it_is():
    def work(name):
        raise RefusedError("no")

    with pytest.raises(RefusedError, match="no"):
        on_each("x", ["a"], work, seconds=10).values()


def test_work_that_hangs_ends_with_the_deadline_and_names_the_node():
    release = threading.Event()

    def work(name):
        if name == "slow":
            release.wait(30)
        return name

    begin = time.monotonic()
    outcomes = on_each("waiting", ["fast", "slow"], work, seconds=0.3)
    assert time.monotonic() - begin < 10
    release.set()
    assert outcomes.done == {"fast": "fast"}
    assert isinstance(outcomes.failed["slow"], DeadlineError)
    assert outcomes.failed["slow"].whom == "slow"


def test_no_more_than_the_limit_work_at_once():
    running, most, lock = [0], [0], threading.Lock()

    def work(name):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1

    on_each("x", [str(n) for n in range(20)], work, seconds=30, at_once=4).values()
    assert 1 <= most[0] <= 4


def test_nothing_to_do_is_done_at_once():
    assert on_each("x", [], lambda name: name, seconds=0).values() == {}


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([RefusedError("x"), TandemError("y")], REFUSED),
        ([UsageError("x"), TandemError("y")], BAD_USAGE),
        ([TandemError("x"), PartialError("y")], FAILED),
        ([ValueError("a defect"), PartialError("y")], FAILED),
        ([PartialError("x"), PartialError("y")], PARTIAL),
        (
            [
                DeadlineError(waited_for="x", whom="y", seconds=1, last_state="z"),
                PartialError("y"),
            ],
            DEADLINE_PASSED,
        ),
    ],
)
def test_the_exit_code_is_that_of_the_gravest_outcome(errors, code):
    failed = {str(index): error for index, error in enumerate(errors)}
    assert NodesFailed("x", failed, 3).exit_code == code
