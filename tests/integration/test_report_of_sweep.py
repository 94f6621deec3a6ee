"""A small real sweep, and what its report says of it."""

import json

import pytest

from contracts.errors import DONE
from tests.command_line import fab

pytestmark = pytest.mark.timeout(900)
WORK = ("--workload", "kmeans", "--preset", "tiny", "--engines", "dask", "--nodes", "1,2",
        "--set", "points=20000", "--vary", "iterations=2,150",
        "--vary", "chunk_rows=5000,10000", "--repeats", "1")  # fmt: skip


def test_a_real_sweep_has_settings_phases_memory_and_bytes(machines, tmp_path):
    results = tmp_path / "results"
    ended = fab("sweep.run", *WORK, "--name", "small", "--results", str(results),
                state=machines.state, timeout=600)  # fmt: skip
    assert ended.code == DONE, ended.err
    built = fab("report.build", "--results", str(results), "--json", state=machines.state)
    assert built.code == DONE, built.err
    document = built.document
    effects = {one["name"]: one for one in document["settings"]}
    assert set(effects) == {"iterations", "chunk_rows", "nodes"}
    assert effects["iterations"]["ratio"] > 2
    assert effects["iterations"]["levels"][-1]["value"] == "2"
    assert effects["iterations"]["blocks"] == 4
    for one in document["answers"]:
        assert one["phases"]["engine start"] > 0
        assert one["phases"]["work"] > 0
        assert one["peak_memory_gib"] > 0.05
        assert one["moved_mib"] > 0.01, "two nodes exchange sums, and the operator reads"
    page = (results / "small" / "report.html").read_text()
    for words in ("Which setting matters", "Where the time goes", "Memory and network"):
        assert words in page
    assert (results / "index.html").is_file()
    assert (results / "settings.html").is_file()
    journal = (results / "small" / "journal.jsonl").read_text().splitlines()
    rows = [one for one in map(json.loads, journal) if one.get("kind") == "run"]
    assert all(set(row["timeline"]) == set(row["machines"]) for row in rows)
    sent = [series["sent"] for row in rows for series in row["timeline"].values()]
    assert all(one == sorted(one) and one[0] < one[-1] for one in sent)
