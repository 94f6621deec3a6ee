"""A node that dies in the middle of a training, on a real Ray and a real Dask of two nodes."""

import json
import tempfile
import time
from pathlib import Path

import pytest

from tests.doubles.run_specs import workload_spec, write_run
from tests.integration.engines_on_loopback import ROOT, drive, on_loopback

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600), pytest.mark.long]
EPOCHS = 300


@pytest.fixture
def engine(request, monkeypatch):
    short = tempfile.TemporaryDirectory(prefix="t", dir="/tmp", ignore_cleanup_errors=True)
    with short as folder:
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr("tempfile.tempdir", None)
        with on_loopback(request.param, Path(folder)) as made:
            yield made


@pytest.mark.parametrize("engine", ["dask", "ray"], indirect=True)
def test_the_training_is_done_again_on_what_is_left(engine, tmp_path):
    parameters = {"preset": "tiny", "epochs": EPOCHS}
    spec = workload_spec("resnet", tmp_path / "home", parameters, **engine.place())
    write_run(tmp_path, spec)
    results = tmp_path / "results.jsonl"
    with drive(tmp_path) as process:
        give_up = time.monotonic() + 180
        while not (results.exists() and '"warm' in results.read_text()):
            assert time.monotonic() < give_up
            time.sleep(0.1)
        time.sleep(2)
        engine.end_worker()
        assert process.wait(timeout=240) == 0
    told = [json.loads(line) for line in results.read_text().splitlines()]
    assert "worker-1" in [line["node"] for line in told if line["kind"] == "death"]
    (trial,) = [line for line in told if line["kind"] == "trial"]
    assert (trial["status"], trial["attempts"]) == ("ok", 2), trial["reason"]
