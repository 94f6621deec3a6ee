"""A training in a process for each node: what they come to, and what is said when one dies."""

import contextlib
import os
import queue
import signal
import threading
import time

import pytest

from contracts.errors import TandemError
from workloads import resnet
from workloads.engines.slot_process import SlotProcess
from workloads.resnet import crew
from workloads.resnet.crew import Place

pytestmark = pytest.mark.slow
# Addresses of loopback that are each a machine of its own to all that listens and calls.
PLACES = [Place("head", "127.0.0.2", 1), Place("worker-1", "127.0.0.3", 1)]


class Processes:
    """A crew without an engine: the process of a slot for each place."""

    def __init__(self):
        self.places = PLACES
        self.processes = [SlotProcess() for _ in PLACES]

    def each(self, function, arguments, seconds):
        ended = queue.SimpleQueue()

        def one(number, given):
            ended.put((number, self.processes[number].call(function, given, seconds)))

        for number, given in enumerate(arguments):
            threading.Thread(target=one, args=[number, given], daemon=True).start()
        left = len(arguments)
        while left:
            try:
                yield ended.get(timeout=0.5)
                left -= 1
            except queue.Empty:
                yield 0, None


@pytest.fixture(autouse=True)
def nobody_else_notices(monkeypatch):
    monkeypatch.setattr(crew, "NOTICE_SECONDS", 0.0)


@pytest.fixture(scope="module")
def processes():
    made = Processes()
    yield made
    for process in made.processes:
        process.close()


def given(home, **changes):
    parameters = resnet.validate({"preset": "tiny", **changes})
    return {"home": str(home), **resnet._given(parameters, 0.05, 0)}, parameters


def test_two_processes_find_what_one_finds(processes, tmp_path):
    asked, parameters = given(tmp_path, learning_rates=[0.05])
    crew.warm_up(processes, asked)
    told = []
    found = crew.train(processes, asked, lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (parameters["epochs"], parameters["epochs"])
    (reference,) = resnet.plain(parameters, 0)
    assert found["accuracy"] == pytest.approx(reference.scores[0], abs=0.06)
    assert found["bytes sent"] >= 2 * 8 * found["parameters"] // 2 * 4
    assert found["steps"] == reference.extra["steps"]
    again = crew.train(processes, asked)
    assert again["accuracy"] == found["accuracy"]


def test_a_program_that_ends_takes_its_training_along(processes, tmp_path, monkeypatch):
    asked, _ = given(tmp_path, epochs=10_000)
    crew.warm_up(processes, asked)
    held = []
    hold = crew._hold
    monkeypatch.setattr(crew, "_hold", lambda *one: held.append(hold(*one)) or held[-1])

    def leave():
        time.sleep(3)
        for link in held:
            with contextlib.suppress(OSError):
                crew.links.end(link)

    threading.Thread(target=leave).start()
    with pytest.raises(TandemError, match="the program that began it has ended"):
        crew.train(processes, asked)


def test_a_node_that_dies_ends_the_training_by_its_name(processes, tmp_path):
    asked, _ = given(tmp_path, epochs=10_000)
    crew.warm_up(processes, asked)

    def kill():
        time.sleep(3)
        os.kill(processes.processes[1]._process.pid, signal.SIGKILL)

    threading.Thread(target=kill).start()
    begin = time.monotonic()
    with pytest.raises(TandemError, match="worker-1"):
        crew.train(processes, asked)
    assert time.monotonic() - begin < 30
