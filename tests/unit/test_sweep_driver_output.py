"""What a driver writes is believed only where it can be true."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.runs import PlannedTrial
from workloads.sweeps.driver_output import LINE_LIMIT, DriverOutput, printable

TRIALS = (
    PlannedTrial("0" * 19 + "1", {"depth": 1}),
    PlannedTrial("0" * 19 + "2", {"depth": None}),
)


def result(trial=TRIALS[0], **changes):
    return {
        "kind": "trial", "trial_id": trial.trial_id, "status": "ok",
        "parameters": trial.parameters, "scores": [0.5, 0.25], "seconds": 1.5,
        "nodes": ["node-1"], "attempts": 1, "reason": None, "extra": {}, **changes,
    }  # fmt: skip


GOOD = [
    {"kind": "started", "pid": 7, "versions": {"ray": "2.60.0"}},
    {"kind": "phase", "name": "warmup", "seconds": 0.5},
    {"kind": "progress", "done": 1, "total": 4},
    result(),
    {"kind": "death", "node": "node-2", "after_seconds": 3.0, "detail": "silent"},
    result(TRIALS[1]),
    {"kind": "finished", "wall_seconds": 9.5, "units": 4, "retries": 1, "cpu_seconds": 8.0,
     "summary": {"best": 0.5}},
]  # fmt: skip


def encoded(documents):
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def test_a_whole_run():
    output = DriverOutput(TRIALS)
    found = list(output.feed(encoded(GOOD)))
    assert [one.trial_id for one in found] == [trial.trial_id for trial in TRIALS]
    seen = output.observed
    assert (seen.ended, seen.wall_seconds, seen.retries, seen.starts) == ("finished", 9.5, 1, 1)
    assert seen.phases == {"warmup": 0.5}
    assert [death["node"] for death in seen.deaths] == ["node-2"]
    assert seen.versions == {"ray": "2.60.0"}
    assert seen.rejected == []


@given(cuts=st.lists(st.integers(0, len(encoded(GOOD))), max_size=12))
@settings(deadline=None)
def test_it_does_not_matter_how_the_bytes_arrive(cuts):
    content, output, found, begin = encoded(GOOD), DriverOutput(TRIALS), [], 0
    for cut in [*sorted(cuts), len(content)]:
        found += output.feed(content[begin:cut])
        begin = cut
    assert len(found) == 2
    assert output.observed.ended == "finished"
    assert output.observed.rejected == []


def test_a_line_without_its_end_waits():
    output = DriverOutput(TRIALS)
    content = encoded([result()])
    assert list(output.feed(content[:-1])) == []
    assert len(list(output.feed(b"\n"))) == 1


HOSTILE = {
    "not JSON": b"{",
    "not an object": b"[1]",
    "a pickle": b"\x80\x04\x95\x1a\x00\x00\x00",
    "NaN score": json.dumps(result(scores=[float("nan")])).encode(),
    "infinite score": json.dumps(result(scores=[float("inf")])).encode(),
    "huge whole number": json.dumps(result()).encode().replace(b"0.25", b"1" * 5000),
    "a whole number beyond floats": json.dumps(result(scores=[10**400])).encode(),
    "score is a text": json.dumps(result(scores=["0.5"])).encode(),
    "score is a truth": json.dumps(result(scores=[True])).encode(),
    "no scores": json.dumps(result(scores=[])).encode(),
    "extra key": json.dumps(result(admin=True)).encode(),
    "another trial": json.dumps(result(trial_id="f" * 20)).encode(),
    "parameters of another trial": json.dumps(result(parameters={"depth": 2})).encode(),
    "endless reason": json.dumps(result(reason="x" * 3000)).encode(),
    "unknown kind": b'{"kind": "shell", "run": "rm"}',
    "no kind": b"{}",
    "negative duration": b'{"kind":"phase","name":"work","seconds":-1}',
    "phase without a name": b'{"kind":"phase","seconds":1}',
    "infinite duration": b'{"kind":"phase","name":"work","seconds":1e999}',
    "count is a text": b'{"kind":"progress","done":"1","total":2}',
    "versions are a list": b'{"kind":"started","versions":[]}',
    "deep nesting": b"[" * 100_000,
    "an endless line": b"x" * (LINE_LIMIT + 10),
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_line_is_rejected_and_the_rest_is_read(line):
    output = DriverOutput(TRIALS)
    found = list(output.feed(line + b"\n" + encoded(GOOD)))
    assert [one.trial_id for one in found] == [trial.trial_id for trial in TRIALS]
    assert output.observed.ended == "finished"
    assert len(output.observed.rejected) == 1


def test_an_endless_line_in_pieces_is_dropped_as_it_comes():
    output = DriverOutput(TRIALS)
    for _ in range(40):
        assert list(output.feed(b"x" * (LINE_LIMIT // 10))) == []
    assert list(output.feed(b"\n" + encoded([result()])))
    assert len(output.observed.rejected) == 1


@given(data=st.binary(max_size=300))
@settings(deadline=None)
def test_noise_gives_no_results(data):
    output = DriverOutput(TRIALS)
    assert list(output.feed(data + b"\n")) == []
    assert output.observed.ended is None


def test_control_characters_never_reach_a_terminal():
    assert printable("a\x1b[31mred\x00\r\nb\x9b") == "a [31mred b "
    assert len(printable("x" * 10_000)) == 500


def test_a_driver_that_began_again_has_not_ended():
    output = DriverOutput(TRIALS)
    failed = {"kind": "failed", "reason": "the head is gone"}
    list(output.feed(encoded([GOOD[0], failed, GOOD[0]])))
    assert (output.observed.starts, output.observed.ended) == (2, None)
    assert output.observed.reason is None
