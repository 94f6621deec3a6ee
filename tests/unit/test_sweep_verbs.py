"""The verbs of sweeps and reports: bad input is named and touches nothing, dry runs plan."""

import dataclasses
import json
import os

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from contracts import inventory
from contracts.errors import (
    BAD_USAGE,
    DONE,
    INTERRUPTED,
    PARTIAL,
    REFUSED,
    RefusedError,
    TandemError,
)
from contracts.files import single_writer
from contracts.inventory import Inventory, Node
from contracts.progress import tell_nobody
from tasks import report, sweep, sweep_machines
from tests.doubles import sweep_journal
from workloads import registry
from workloads.sweeps.plan import Cell

KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
)  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder of its own with an inventory of two machines that nobody can reach."""

    def untouchable(*arguments, **options):
        raise AssertionError("bad input and dry runs must reach no machine")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(sweep, "Machines", untouchable)
    nodes = tuple(
        Node(
            name=f"node-{index}",
            role="head" if index == 1 else "worker",
            private_ip=f"10.9.8.{index}",
            ssh_host="127.0.0.1",
            ssh_port=2200 + index,
            host_key=KEY,
            instance_id=f"i-{index}",
            cpus=0.5,
            memory_bytes=1 << 30,
        )
        for index in (1, 2)
    )
    inventory.dump(
        Inventory(
            "local", 1, "local", "docker", "2026-11-21T00:00:00+00:00", "tandem", "/k", nodes
        ),
        tmp_path / "state" / "inventory.json",
    )
    return tmp_path


@pytest.fixture
def typed(capsys):
    """Run a verb as `fab` would; return its exit code and what it wrote."""

    def run(verb, **options):
        capsys.readouterr()
        code = DONE
        try:
            verb(Context(), **options)
        except Exit as error:
            code = error.code
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return run


BAD = {
    "no nodes": ({"nodes": "0"}, "--nodes must be a whole number from 1, not '0'"),
    "no number": ({"nodes": "1,two"}, "not 'two'"),
    "only commas": ({"nodes": ",,"}, "names no number"),
    "more than there are": ({"nodes": "1,3"}, "--nodes 3 is more than the 2 machines"),
    "unknown engine": ({"engines": "ray,spark"}, "There is no engine 'spark'"),
    "no engine": ({"engines": ","}, "names no engine"),
    "unknown workload": ({"workload": "magic"}, "There is no workload 'magic'"),
    "no repeats": ({"repeats": "0"}, "--repeats must be a whole number from 1"),
    "endless repeats": ({"repeats": "99999"}, "more than 10000 runs"),
    "no deadline": ({"deadline": "soon"}, "--deadline must be a whole number"),
    "unknown preset": ({"preset": "huge"}, "preset: must be one of"),
    "no grid file": ({"grid": "none.toml"}, "none.toml cannot be read"),
    "setting without a value": ({"set": ["folds"]}, "'folds': must be key=value"),
    "unknown parameter": ({"set": ["grid.magic=[1]"]}, "magic"),
    "one value": ({"vary": ["folds=2"]}, "one value is --set folds=2"),
    "varied and set": ({"vary": ["folds=2,3"], "set": ["folds=2"]}, "with --set and --vary"),
    "unknown variation": ({"vary": ["magic=1,2"]}, "magic: unknown field"),
    "a bad variation": ({"vary": ["folds=2,99"]}, "is 99 (with folds=99)"),
    "a name that leads out": ({"name": "../../etc"}, "no name of a sweep"),
    "a name like an option": ({"name": "-rf"}, "no name of a sweep"),
    "no inventory": ({"inventory": "none.json"}, "There is no file none.json"),
}


@pytest.mark.parametrize(("options", "words"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "dry run"])
def test_bad_input_is_named_and_touches_nothing(typed, place, options, words, dry_run):
    code, out, err = typed(sweep.run, dry_run=dry_run, **options)
    assert (code, out) == (BAD_USAGE, "")
    assert words in err
    assert "Next: " in err
    assert len(err.splitlines()) < 12
    assert not (place / "results").exists()


@pytest.mark.parametrize(
    "text", ["grid = [", "[grid]\nmagic = [1]", 'grid = "all"', "[grid]\nn_estimators = [-1]"]
)
def test_a_malformed_grid(typed, place, text):
    (place / "grid.toml").write_text(text)
    code, _, err = typed(sweep.run, grid="grid.toml")
    assert code == BAD_USAGE
    assert "grid.toml" in err.partition(":")[0]
    assert "Next: mend grid.toml" in err


@pytest.mark.parametrize(
    "options",
    [{"nodes": "3"}, {"inventory": "none.json"}, {"name": "../x"}, {"unit_deadline": "soon"}],
    ids=str,
)
def test_what_needs_no_library_is_checked_before_what_loads_one(typed, monkeypatch, options):
    monkeypatch.setattr(sweep, "subject_of", lambda *all, **named: 1 / 0)
    code, _, _ = typed(sweep.run, **options)
    assert code == BAD_USAGE


def test_a_malformed_inventory(typed, place):
    (place / "mine.json").write_text('{"schema": 1, "nodes": []}')
    code, _, err = typed(sweep.run, inventory="mine.json")
    assert code == BAD_USAGE
    assert "mine.json has" in err


def test_an_error_as_json_stands_alone(typed):
    code, out, _ = typed(sweep.run, nodes="0", json=True)
    document = json.loads(out)
    assert (code, document["exit_code"]) == (BAD_USAGE, BAD_USAGE)
    assert document["next_step"]


def test_a_dry_run_says_what_would_be_done(typed, place):
    code, out, _ = typed(sweep.run, preset="tiny", repeats="2", dry_run=True)
    assert code == DONE
    assert "10 runs of 4 combinations, about 80 fits in all; 10 runs to do" in out
    assert out.splitlines()[1].startswith("  on digits-n300-")
    assert out.splitlines()[2].split() == ["ray", "1", "node,", "repeat", "1"]
    assert not (place / "results").exists()


def test_a_dry_run_as_json(typed):
    options = {"preset": "tiny", "repeats": "1", "nodes": "2", "engines": "dask"}
    _, out, _ = typed(sweep.run, **options, baseline=False, dry_run=True, json=True)
    document = json.loads(out)
    assert document["todo"] == [{"engine": "dask", "nodes": 2, "repeat": 1}]
    assert (document["fits"], document["complete"]) == (8, False)


def test_the_help_names_what_can_be_chosen():
    helped = {argument.name: argument.help for argument in sweep.run.get_arguments()}
    assert all("fab sweep.settings --workload" in helped[name] for name in ("preset", "set"))
    assert max(map(len, helped.values())) < 220
    assert "ray, dask" in helped["engines"]


@pytest.mark.parametrize("name", registry.names())
def test_every_parameter_and_preset_of_a_workload_is_shown(typed, name):
    workload = registry.find(name)
    code, out, _ = typed(sweep.settings, workload=name, json=True)
    document = json.loads(out)
    found = {one["name"]: one for one in document["parameters"]}
    assert code == DONE
    assert {key: one["default"] for key, one in found.items()} == workload.defaults()
    assert all(one["meaning"] for one in found.values())
    assert document["presets"] == {key: dict(one) for key, one in workload.PRESETS.items()}
    assert workload.SIZE in found
    _, out, _ = typed(sweep.settings, workload=name)
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert set(found) <= set(lines)
    assert all(f"--preset {one} " in f"{out} " for one in workload.PRESETS)
    assert max(map(len, out.splitlines())) < 160


def test_the_settings_of_no_workload_are_refused(typed):
    code, _, err = typed(sweep.settings, workload="magic")
    assert (code, "There is no workload 'magic'" in err) == (BAD_USAGE, True)


VARIED = {"preset": "tiny", "nodes": "1,2", "engines": "ray", "repeats": "1"}


def test_a_dry_run_of_variations_names_each(typed):
    code, out, _ = typed(sweep.run, **VARIED, vary=["folds=2,3"], dry_run=True)
    assert code == DONE
    assert "6 runs of 4 combinations, in 2 variations, about 60 fits in all; 6 runs" in out
    lines = [line.split(", ") for line in out.splitlines()[2:]]
    assert [[line[0].split()[0], *line[2:]] for line in lines] == [
        ["plain", "folds=2"], ["plain", "folds=3"],
        ["ray", "folds=2"], ["ray", "folds=3"], ["ray", "folds=2"], ["ray", "folds=3"],
    ]  # fmt: skip
    _, out, _ = typed(sweep.run, **VARIED, vary=["folds=2,3"], dry_run=True, json=True)
    document = json.loads(out)
    assert document["variations"] == [{"folds": 2}, {"folds": 3}]
    assert document["todo"][-1] == {
        "engine": "ray", "nodes": 2, "repeat": 1, "variation": ["folds=3"]
    }  # fmt: skip


def test_sizes_are_an_axis_by_the_name_that_the_workload_has_for_them(typed):
    options = {"engines": "dask", "nodes": "1", "repeats": "1", "dry_run": True, "json": True}
    tiny = {"preset": "tiny", "sizes": "1000,2000"}
    _, out, _ = typed(sweep.run, **options, **tiny, workload="kmeans")
    document = json.loads(out)
    assert document["variations"] == [{"points": 1000}, {"points": 2000}]
    assert [name.split("-n")[-1].split("-")[0] for name in document["data"]] == ["1000", "2000"]
    _, out, _ = typed(sweep.run, **options, preset="tiny", sizes="100", workload="knn")
    document = json.loads(out)
    assert "variations" not in document
    assert document["data"][0].startswith("digits-n100-")
    code, _, err = typed(sweep.run, **options, preset="tiny", sizes="1e3")
    assert code == BAD_USAGE
    assert "--sizes must be a whole number from 1, not '1e3'" in err


def test_the_plan_says_what_the_scores_of_a_workload_are(typed, monkeypatch):
    plans = []
    monkeypatch.setattr(sweep, "_measure", lambda one, *rest: plans.append(one.plan))
    typed(sweep.run, **VARIED)
    typed(sweep.run, **VARIED, workload="kmeans")
    found = [(one.facts["size"], one.facts["tolerance"]) for one in plans]
    assert found == [("rows", 0.0), ("points", 1e-4)]


def test_endless_variations_times_repeats(typed):
    options = {**VARIED, "repeats": "2000"}
    code, _, err = typed(sweep.run, **options, vary=["folds=2,3,4"], dry_run=True)
    assert code == BAD_USAGE
    assert "over 12 cells makes more than 10000 runs" in err


def test_a_sweep_goes_on_when_a_parameter_is_varied_that_was_not(typed, place, monkeypatch):
    """What was measured without --vary counts as the variation that it is."""
    plans = []
    monkeypatch.setattr(sweep, "_measure", lambda one, *rest: plans.append(one))
    options = {**VARIED, "results": str(place / "results")}
    typed(sweep.run, **options)
    entries = sweep_journal.entries(
        work=plans[0].request.subject.work,
        baselines=plans[0].request.subject.of("plain"),
        engines=("ray", "plain"),
        node_counts=(1, 2),
        repeats=1,
    )
    sweep_journal.write(place / "results" / "forest", [plans[0].plan, *entries[1:]])
    code, out, _ = typed(sweep.run, **options, vary=["folds=2,3"], dry_run=True)
    assert code == DONE
    assert "6 runs of 4 combinations, in 2 variations" in out
    assert "3 runs to do" in out
    assert "folds=2" not in out
    typed(sweep.run, **options, vary=["folds=2,3"])
    sweep_journal.write(
        place / "results" / "forest", [plans[0].plan, *entries[1:], plans[1].plan]
    )
    code, out, _ = typed(report.build, json=True)
    assert code == PARTIAL
    text = (place / "results" / "forest" / "report.md").read_text()
    assert "3 of 6 planned runs lack results" in text
    assert "| Ray | folds=2 | 2 |" in text


def test_settings_win_over_the_grid_file_and_that_over_the_preset(typed, place):
    (place / "grid.toml").write_text("folds = 4\n[grid]\nn_estimators = [1, 2, 3]\n")
    options = {"preset": "tiny", "grid": "grid.toml", "nodes": "1", "engines": "plain"}
    _, out, _ = typed(sweep.run, **options, set=["folds=3"], repeats="1", dry_run=True)
    assert "1 runs of 3 combinations, about 9 fits" in out


@pytest.mark.parametrize("lock", ["state/sweep.lock", "results/.forest.lock"])
def test_two_sweeps_at_once(typed, place, lock):
    with single_writer(place / lock, purpose="A test"):
        code, _, err = typed(sweep.run, preset="tiny")
    assert code == REFUSED
    assert f"pid {os.getpid()}" in err


def test_a_finished_sweep_asks_nothing_of_the_machines(typed, place, monkeypatch):
    """The journal is written as a sweep would, and then the very same sweep is asked for."""
    plans = []
    monkeypatch.setattr(sweep, "_measure", lambda one, *rest: plans.append(one))
    options = {"preset": "tiny", "repeats": "1", "results": str(place / "results")}
    code, out, _ = typed(sweep.run, **options)
    assert code == PARTIAL
    assert "incomplete: 0 of 5 runs" in out
    monkeypatch.undo()
    monkeypatch.setenv("TANDEM_STATE", str(place / "state"))
    request = plans[0].request
    entries = sweep_journal.entries(
        work=request.subject.work,
        baselines=request.subject.of("plain"),
        node_counts=(1, 2),
        repeats=1,
        engines=request.engines,
    )
    entries[0] = plans[0].plan
    sweep_journal.write(place / "results" / "forest", entries)
    before = (place / "results" / "forest" / "journal.jsonl").read_bytes()
    code, out, err = typed(sweep.run, **options)
    assert (code, err) == (DONE, "")
    assert "complete: 5 runs" in out
    assert (place / "results" / "forest" / "journal.jsonl").read_bytes() == before
    code, out, _ = typed(sweep.run, **{**options, "repeats": "2"}, dry_run=True)
    assert "10 runs" in out
    assert "5 runs to do, about" in out
    monkeypatch.setattr(sweep, "_machine_facts", lambda _: [{"name": "node-1", "cpus": 2}])
    code, _, err = typed(sweep.run, **options)
    assert code == REFUSED
    assert "0.5 CPU and 1 GiB" in err
    assert "--fresh" in err


def test_fresh_keeps_the_earlier_results_under_another_name(typed, place, monkeypatch):
    folder = sweep_journal.write(place / "results" / "forest", sweep_journal.entries(repeats=1))
    before = (folder / "journal.jsonl").read_bytes()
    monkeypatch.setattr(sweep, "_measure", lambda *all: None)
    for _ in range(2):
        folder.mkdir(exist_ok=True)
        code, _, err = typed(sweep.run, preset="tiny", fresh=True)
        assert code == PARTIAL
        assert "kept in" in err
    kept = sorted((place / "results").glob("forest-until-*"))
    assert len(kept) == 2
    assert before in [one.read_bytes() for one in (place / "results").rglob("journal.jsonl")]


STARTED_ANEW = {
    "long": (["--nodes", "1", "--fresh"], "fab sweep.run --nodes 1"),
    "short": (["-f", "-n", "1"], "fab sweep.run -n 1"),
    "combined": (["-jf", "-fn", "1"], "fab sweep.run -j -n 1"),
    "as a value": (["-pf", "--vary", "rows=1 0"], "fab sweep.run -pf --vary 'rows=1 0'"),
}


@pytest.mark.parametrize(("options", "again"), STARTED_ANEW.values(), ids=STARTED_ANEW)
def test_what_was_started_anew_goes_on_and_does_not_start_anew(
    typed, place, monkeypatch, options, again
):
    """An incomplete sweep and one that was interrupted name the command that goes on."""
    monkeypatch.setattr(sweep.sys, "argv", ["fab", "sweep.run", *options])
    monkeypatch.setattr(sweep, "_measure", lambda *all: None)
    _, out, _ = typed(sweep.run, preset="tiny", fresh=True)
    assert f"Next: {again} tries" in out

    def interrupt(*all):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "_measure", interrupt)
    code, _, err = typed(sweep.run, preset="tiny", fresh=True)
    assert code == INTERRUPTED
    assert err.endswith(f"What is done is kept.\nNext: {again}\n")


def test_a_report_of_every_sweep_or_of_those_named(typed, place):
    for name in ("one", "two"):
        sweep_journal.write(place / "results" / name, sweep_journal.entries(repeats=2))
    code, out, _ = typed(report.build, json=True)
    document = json.loads(out)["reports"]
    assert (code, list(document)) == (DONE, ["one", "two"])
    assert document["two"]["verdict"] == "yes"
    assert document["two"]["html"] == "results/two/report.html"
    code, out, _ = typed(report.build, name="one,two", price="0.5", currency="SSC coins")
    assert code == DONE
    assert "one: Worth distributing" in out
    assert "SSC coins" in out


def test_a_report_of_an_unfinished_sweep_is_partial(typed, place):
    unfinished = sweep_journal.entries(
        change=lambda row: dataclasses.replace(row, status="failed", reason="x", ok=0)
    )
    sweep_journal.write(place / "results" / "forest", unfinished)
    code, out, _ = typed(report.build)
    assert code == PARTIAL
    assert "INCOMPLETE" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "There is no sweep in results/"),
        ({"name": "x"}, "There is no sweep 'x' in results/"),
        ({"price": "cheap"}, "--price must be a number"),
        ({"price": "-1"}, "--price must be a number"),
        ({"price": "nan"}, "--price must be a number"),
        ({"currency": "USD"}, "--currency alone"),
    ],
)
def test_bad_input_to_a_report(typed, place, options, words):
    if "name" not in options and options:
        sweep_journal.write(place / "results" / "forest", sweep_journal.entries(repeats=1))
    code, _, err = typed(report.build, **options)
    assert code == BAD_USAGE
    assert words in err


def test_a_report_of_a_sweep_that_is_not_there_names_those_that_are(typed, place):
    sweep_journal.write(place / "results" / "forest", sweep_journal.entries(repeats=1))
    code, _, err = typed(report.build, name="wood")
    assert code == BAD_USAGE
    assert "There is no sweep 'wood' in results/; there is: forest." in err


@pytest.mark.parametrize(
    ("heard", "ours", "refused"),
    [
        ([b"result", b""], False, True),
        ([b"result"], False, False),
        ([], False, False),
        ([b"result", b""], True, False),
    ],
    ids=["another sweep's, at work", "over", "gone", "our own"],
)
def test_no_run_is_started_beside_one_of_another_sweep(
    place, monkeypatch, heard, ours, refused
):
    """A sweep that was killed leaves its run at work, which would disturb every time."""
    state = place / "state"
    (state / "last_run.json").write_text('{"folder": "0a"}')
    monkeypatch.setattr(sweep_machines.remote_run, "follow", lambda *all: iter(heard))
    monkeypatch.setattr(sweep_machines.bringup, "start", lambda *all: 1 / 0)
    monkeypatch.setattr(sweep_machines, "Links", lambda machines: {"node-1": "connected"})
    machines = sweep_machines.Machines(
        inventory.load(state / "inventory.json"), state, place / "lock", tell_nobody,
        ["0a"] if ours else [],
    )  # fmt: skip
    with pytest.raises(RefusedError if refused else ZeroDivisionError):
        machines.start(Cell("ray", 1))


def test_a_head_that_is_away_is_not_taken_for_a_busy_one(place):
    state = place / "state"
    (state / "last_run.json").write_text('{"folder": "0a"}')
    machines = sweep_machines.Machines(
        inventory.load(state / "inventory.json"), state, place / "lock", tell_nobody
    )
    with pytest.raises(TandemError) as raised:
        machines.start(Cell("ray", 1))
    assert raised.value.exit_code != REFUSED
