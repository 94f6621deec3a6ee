"""The journal loses nothing that it acknowledged, and believes nothing that is damaged."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contracts.errors import FAILED, TandemError, UsageError
from workloads.sweeps.journal import Journal, JournalWriteError, line_of, read_lines

texts = st.text(max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
records = st.builds(
    lambda kind, body: {"kind": kind, "body": body},
    st.sampled_from(["plan", "attempt", "trial", "run"]),
    values,
)
damaging = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def lines(entries):
    return [line_of(entry).encode() + b"\n" for entry in entries]


def read(content):
    return [
        {"kind": record["kind"], "body": record["body"]}
        for record in read_lines(content, source="journal").records
    ]


def survivors(entries, position):
    """The entries whose line does not hold the byte at `position`."""
    begin, kept = 0, []
    for entry, line in zip(entries, lines(entries), strict=True):
        if not begin <= position < begin + len(line):
            kept.append(entry)
        begin += len(line)
    return kept


@given(entries=st.lists(records, max_size=5))
@settings(deadline=None)
def test_what_is_written_is_read(entries):
    assert read(b"".join(lines(entries))) == entries


@given(entries=st.lists(records, min_size=1, max_size=5), data=st.data())
@damaging
def test_a_flipped_byte_costs_its_own_line_at_most(entries, data):
    content = bytearray(b"".join(lines(entries)))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    assert_only_true_records(read(bytes(content)), entries, survivors(entries, position))


@given(entries=st.lists(records, min_size=1, max_size=5), data=st.data())
@damaging
def test_a_lost_byte_costs_its_own_line_at_most(entries, data):
    content = b"".join(lines(entries))
    position = data.draw(st.integers(0, len(content) - 1))
    damaged = content[:position] + content[position + 1 :]
    assert_only_true_records(read(damaged), entries, survivors(entries, position))


@given(entries=st.lists(records, min_size=1, max_size=5), data=st.data())
@damaging
def test_a_cut_costs_what_was_cut_at_most(entries, data):
    content = b"".join(lines(entries))
    position = data.draw(st.integers(0, len(content)))
    begin, whole = 0, []
    for entry, line in zip(entries, lines(entries), strict=True):
        begin += len(line)
        if begin <= position:
            whole.append(entry)
    assert_only_true_records(read(content[:position]), entries, whole)


def assert_only_true_records(found, entries, expected):
    remaining = list(found)
    for entry in expected:
        assert entry in remaining
        remaining.remove(entry)
    assert all(entry in entries for entry in remaining)
    assert len(found) <= len(entries)


@given(noise=st.binary(max_size=200))
@example(noise=b'{"check":"' * 50)
@example(noise=b"[" * 100_000)
@settings(deadline=None)
def test_noise_holds_no_records(noise):
    assert read(noise) == []


def test_every_bit_of_a_line_matters(tmp_path):
    entries = [{"kind": "trial", "body": {"score": 0.5, "name": "a"}}] * 2
    content = b"".join(lines(entries))
    first = len(lines(entries)[0])
    for position in range(first - 1):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            assert len(read(bytes(damaged))) == 1, (position, bit)


def test_a_torn_tail_is_set_aside_and_the_next_line_stands_alone(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    for score in range(3):
        journal.append({"kind": "trial", "score": score})
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-9])
    reading = journal.repair()
    assert [record["score"] for record in reading.records] == [0, 1]
    assert journal.path.read_bytes() == whole[: 2 * len(whole) // 3]
    journal.append({"kind": "trial", "score": 3})
    assert [record["score"] for record in journal.read().records] == [0, 1, 3]
    assert journal.quarantined() == 1
    assert json.loads(journal.quarantine.read_text())["text"].startswith('{"check":"')


def test_a_line_that_lost_only_its_end_is_kept(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"kind": "trial", "score": 1})
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-1])
    journal.repair()
    assert journal.path.read_bytes() == whole
    assert journal.quarantined() == 0


def test_repair_twice_counts_once_and_touches_nothing_good(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"kind": "trial", "score": 1})
    whole = journal.path.read_bytes()
    for _ in range(2):
        with journal.path.open("ab") as stream:
            stream.write(b"torn")
        journal.repair()
    before = journal.path.stat().st_mtime_ns
    journal.repair()
    assert journal.path.read_bytes() == whole
    assert journal.path.stat().st_mtime_ns == before
    assert journal.quarantined() == 1


def test_reading_changes_nothing(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"kind": "trial", "score": 1})
    content = journal.path.read_bytes() + b"torn"
    journal.path.write_bytes(content)
    assert len(journal.read().damaged) == 1
    assert journal.path.read_bytes() == content
    assert not journal.quarantine.exists()


def test_no_journal_is_an_empty_one(tmp_path):
    journal = Journal(tmp_path / "none" / "journal.jsonl")
    assert journal.repair().records == ()
    assert journal.quarantined() == 0
    assert not journal.path.parent.exists()


@pytest.mark.parametrize(
    "change", [{"kind": "prophecy"}, {"schema": 2}], ids=["unknown kind", "newer schema"]
)
def test_a_record_of_a_newer_version_is_refused_by_name(tmp_path, change, monkeypatch):
    journal = Journal(tmp_path / "journal.jsonl")
    monkeypatch.setattr("workloads.sweeps.journal.KINDS", ("trial", "prophecy"))
    monkeypatch.setattr("workloads.sweeps.journal.SCHEMA", change.get("schema", 1))
    journal.append({"kind": change.get("kind", "trial")})
    monkeypatch.undo()
    before = journal.path.read_bytes()
    with pytest.raises(UsageError, match=str(next(iter(change.values())))):
        journal.repair()
    assert journal.path.read_bytes() == before


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "other"},
        {},
        {"kind": "trial", "check": 1},
        {"kind": "trial", "x": float("nan")},
    ],
)
def test_a_record_that_no_journal_holds_is_not_written(tmp_path, record):
    journal = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(ValueError, match=r".+"):
        journal.append(record)
    assert not journal.path.exists()


FILL = """
import resource, sys
from pathlib import Path
from workloads.sweeps.journal import Journal, JournalWriteError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
journal = Journal(Path(sys.argv[1]))
for number in range(1000):
    try:
        journal.append({"kind": "trial", "number": number, "padding": "x" * 100})
    except JournalWriteError as error:
        print(error)
        sys.exit(error.exit_code)
    print("acknowledged", number, flush=True)
"""


def test_a_full_disk_stops_the_writer_and_keeps_every_acknowledged_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    ended = subprocess.run(
        [sys.executable, "-c", FILL, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert ended.returncode == FAILED, ended.stderr
    acknowledged = [
        int(line.split()[1]) for line in ended.stdout.splitlines() if line.startswith("ack")
    ]
    assert acknowledged
    assert "same command again" in ended.stdout
    found = [record["number"] for record in Journal(path).read().records]
    assert found == acknowledged
    assert Journal(path).read().damaged == ()


def test_repair_without_room_leaves_the_journal_as_it_was(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"kind": "trial", "score": 1})
    content = journal.path.read_bytes() + b"torn"
    journal.path.write_bytes(content)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(JournalWriteError):
            journal.repair()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert journal.path.read_bytes() == content


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from workloads.sweeps.journal import Journal
journal = Journal(Path(sys.argv[1]))
number = journal.repair().records[-1]["number"] + 1 if Path(sys.argv[1]).exists() else 0
while True:
    journal.append({"kind": "trial", "number": number, "padding": "x" * 300})
    print(number, flush=True)
    number += 1
"""


def test_a_writer_killed_at_any_moment_loses_nothing_acknowledged(tmp_path):
    path = tmp_path / "journal.jsonl"
    acknowledged = []
    for kill_after in (1, 3, 8, 20, 2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        ) as writer:
            for _ in range(kill_after):
                acknowledged.append(int(writer.stdout.readline()))
            writer.kill()
            acknowledged += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        found = [record["number"] for record in Journal(path).repair().records]
        assert found == list(range(len(found)))
        assert set(acknowledged) <= set(found)


def test_the_error_of_a_full_disk_is_one_of_ours():
    error = JournalWriteError("No room.", cause="full", next_step="make room")
    assert isinstance(error, TandemError)
    assert isinstance(error, OSError)
    assert str(error) == "No room.\nfull\nNext: make room"


def test_an_unreadable_journal_is_named(tmp_path):
    folder = Path(tmp_path / "journal.jsonl")
    folder.mkdir()
    with pytest.raises(UsageError, match=r"journal\.jsonl cannot be read"):
        Journal(folder).read()
