"""Data of a real HTTP server, and data one has: whole and checked, or one error, no file."""

import gzip
import io
import json
import tarfile

import numpy as np
import pandas
import pytest

from contracts.errors import BAD_USAGE, DEADLINE_PASSED, DONE, FAILED
from tasks import data as data_verbs
from tasks import data_get
from tests.doubles import flight_files
from tests.doubles.archive_server import archive_server
from tests.in_process import answer
from workloads.data import archives, covtype
from workloads.data.hashes import checksums

ROWS = 40
HEAD = '"Year","Month","DayofMonth","ArrDelay","DepDelay","Origin","Dest"\n'


@pytest.fixture
def server():
    with archive_server() as made:
        yield made


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def cover_type(rows=ROWS, columns=55):
    generator = np.random.default_rng(0)
    table = generator.integers(0, 5, (rows, columns))
    lines = "\n".join(",".join(map(str, row)) for row in table)
    return gzip.compress(f"{lines}\n".encode()), table


def flights(years=archives.YEARS, head=HEAD, rows=3):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ["../escaped.csv", *(f"nycflights/{year}.csv" for year in years)]:
            text = (head + "1990,1,1,2,NA,EWR,ORD\n" * rows).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return packed.getvalue()


@pytest.fixture
def published(server, monkeypatch):
    """Cover type's archive of a few rows, as if that were the one with the known checksum."""
    server.content, table = cover_type()
    monkeypatch.setattr(covtype, "address", lambda: server.url)
    monkeypatch.setattr(covtype, "checksum", lambda: server.sha256)
    return table


def left(folder):
    return sorted(one.name for one in folder.rglob("*") if one.is_file())


def test_cover_type_is_downloaded_once_and_kept_whole(published, server, state, capsys):
    code, document = answer(data_get.get, capsys, name="covtype")
    place = state / "data/covtype"
    assert (code, document["changes"], document["verified"]) == (DONE, True, True)
    assert np.array_equal(np.load(place / "X.npy"), published[:, :-1])
    assert np.array_equal(np.load(place / "y.npy"), published[:, -1])
    assert checksums(place, ["X.npy", "y.npy"]) == document["sha256"]
    asked = len(server.asked)
    code, document = answer(data_get.get, capsys, name="covtype")
    assert (code, document["changes"], len(server.asked)) == (DONE, False, asked)
    (place / "X.npy").write_bytes(b"damaged")
    code, document = answer(data_get.get, capsys, name="covtype")
    assert (code, document["changes"]) == (DONE, True)


def test_flights_become_a_csv_a_year_and_nothing_else_is_written(server, state, capsys):
    server.content = flights()
    code, document = answer(data_get.get, capsys, name="nycflights", url=server.url)
    assert (code, document["rows"], document["verified"]) == (DONE, 30, False)
    assert document["archive_sha256"] == server.sha256
    names = left(state)
    assert names == [*(f"{year}.csv" for year in archives.YEARS), "manifest.json"]
    assert (state / "data/nycflights/1999.csv").read_text().startswith(HEAD)


def test_a_dry_run_touches_nothing(published, server, state, capsys):
    code, document = answer(data_get.get, capsys, name="covtype", dry_run=True)
    assert (code, document["there"], document["from"]) == (DONE, False, server.url)
    assert (server.asked, state.exists()) == ([], False)


def test_a_cut_download_goes_on_where_it_broke_off(published, server, state, capsys):
    server.cuts = 2
    code, document = answer(data_get.get, capsys, name="covtype")
    half = len(server.content) // 2
    assert (code, document["rows"]) == (DONE, ROWS)
    assert server.asked[:2] == ["", f"bytes={half}-"]
    assert len(server.asked) == 3


def test_a_server_without_marks_is_asked_from_the_start(published, server, capsys):
    server.cuts, server.marked = 1, False
    code, _ = answer(data_get.get, capsys, name="covtype")
    assert (code, server.asked) == (DONE, ["", ""])


def test_another_process_goes_on_with_what_the_last_one_left(published, server, state, capsys):
    server.cuts = 4
    code, document = answer(data_get.get, capsys, name="covtype")
    assert (code, "cut off 4 times" in document["problem"]) == (FAILED, True)
    assert left(state) == ["covtype.data.gz.part", "covtype.data.gz.part.json"]
    code, document = answer(data_get.get, capsys, name="covtype")
    assert (code, document["rows"]) == (DONE, ROWS)
    assert server.asked[-1].startswith("bytes=")


def test_another_file_in_the_place_of_the_published_one_is_not_kept(
    published, server, state, capsys, monkeypatch
):
    monkeypatch.setattr(covtype, "checksum", lambda: "0" * 64)
    code, document = answer(data_get.get, capsys, name="covtype")
    assert (code, document["error"]) == (FAILED, "WrongChecksum")
    assert server.sha256 in document["problem"]
    assert left(state) == []


def test_what_the_server_refuses_is_told_at_once(published, server, state, capsys):
    code, document = answer(data_get.get, capsys, name="covtype", url=f"{server.url}-gone")
    assert (code, len(server.asked)) == (FAILED, 1)
    assert "404" in document["problem"]
    assert "--from FILE" in document["next_step"]
    assert left(state) == []


def test_a_slow_server_ends_at_the_deadline_and_its_bytes_are_kept(
    published, server, state, capsys
):
    server.pause = 0.1
    code, document = answer(data_get.get, capsys, name="covtype", deadline="1")
    assert (code, document["error"]) == (DEADLINE_PASSED, "DeadlineError")
    assert "--deadline" in document["next_step"]
    server.pause = 0.0
    assert answer(data_get.get, capsys, name="covtype")[0] == DONE
    assert server.asked[-1].startswith("bytes=")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("covtype", cover_type(columns=54)[0], "54 columns, not 55"),
        ("covtype", b"<html>moved</html>", "BadGzipFile"),
        ("nycflights", flights(range(1990, 1998)), "no 1998, 1999"),
        ("nycflights", flights(head="Year,Month\n"), "no column DayofMonth"),
        ("nycflights", flights(rows=0), "1990.csv has no rows"),
        ("nycflights", flights()[:200], "EOFError|ReadError"),
    ],
)
def test_an_archive_of_something_else_leaves_nothing_half_made(
    name, content, words, server, state, capsys, monkeypatch
):
    server.content = content
    monkeypatch.setattr(covtype, "checksum", lambda: server.sha256)
    code, document = answer(data_get.get, capsys, name=name, url=server.url)
    assert code == FAILED
    assert any(word in document["cause"] for word in words.split("|"))
    assert not (state / "data" / name).exists()


def test_an_archive_that_one_has_needs_no_download(published, server, state, capsys, tmp_path):
    mine = tmp_path / "from-a-friend.gz"
    mine.write_bytes(server.content)
    code, document = answer(data_get.get, capsys, name="covtype", from_=str(mine))
    assert (code, document["rows"], document["verified"]) == (DONE, ROWS, True)
    assert np.array_equal(np.load(state / "data/covtype/X.npy"), published[:, :-1])
    assert (server.asked, mine.exists()) == ([], True)
    code, document = answer(data_get.get, capsys, name="covtype", from_=str(mine))
    assert (code, document["changes"]) == (DONE, False)
    mine.write_bytes(server.content[:-1])
    code, document = answer(data_get.get, capsys, name="covtype", from_=str(mine))
    assert (code, server.sha256 in document["problem"]) == (BAD_USAGE, True)
    assert np.array_equal(np.load(state / "data/covtype/X.npy"), published[:, :-1])


def images(**changed):
    generator = np.random.default_rng(1)
    parts = {
        "x_train": generator.integers(0, 256, (6, 28, 28), dtype=np.uint8),
        "y_train": np.arange(6, dtype=np.uint8),
        "x_test": generator.integers(0, 256, (2, 28, 28), dtype=np.uint8),
        "y_test": np.array([7, 9], dtype=np.uint8),
    } | changed
    packed = io.BytesIO()
    np.savez(packed, **parts)
    return packed.getvalue(), parts


@pytest.fixture
def digits(server, monkeypatch):
    """An archive of a few images, as if that were the one with the known checksum."""
    server.content, parts = images()
    monkeypatch.setattr(archives, "_MNIST_SHA256", server.sha256)
    return parts


def test_handwritten_digits_become_a_row_an_image(digits, server, state, capsys):
    code, document = answer(data_get.get, capsys, name="mnist", url=server.url)
    assert (code, document["verified"]) == (DONE, True)
    assert (document["rows"], document["columns"]) == (8, 784)
    x, y = (np.load(state / "data/mnist" / name) for name in ("X.npy", "y.npy"))
    assert (x.dtype, y.tolist()) == (np.float32, [0, 1, 2, 3, 4, 5, 7, 9])
    assert np.array_equal(x[6], digits["x_test"][0].ravel())


@pytest.mark.parametrize(
    "content",
    [b"no zip", images()[0][:-40], images(y_test=np.zeros(3))[0], images(x_test=np.eye(2))[0]],
)
def test_an_archive_that_is_none_of_digits_is_refused(
    content, digits, server, state, capsys, monkeypatch
):
    server.content = content
    monkeypatch.setattr(archives, "_MNIST_SHA256", server.sha256)
    code, document = answer(data_get.get, capsys, name="mnist", url=server.url)
    assert (code, "not the archive of mnist" in document["problem"]) == (FAILED, True)
    assert not (state / "data/mnist").exists()


def test_flights_that_one_has_stay_csv(tmp_path, state, capsys):
    folder = flight_files.write(tmp_path / "mine")
    code, document = answer(data_get.get, capsys, name="ours", from_=str(folder))
    assert (code, document["files"]) == (DONE, len(flight_files.YEARS))
    assert document["rows"] == flight_files.ROWS_A_FILE * len(flight_files.YEARS)
    for path in folder.iterdir():
        assert (state / "data/ours" / path.name).read_bytes() == path.read_bytes()
    path.write_text(path.read_text().splitlines()[0] + "\n")
    code, document = answer(data_get.get, capsys, name="ours", from_=str(folder))
    assert (code, f"{path.name} has no rows" in document["problem"]) == (BAD_USAGE, True)
    assert len(left(state)) == len(flight_files.YEARS) + 1


TABLE = pandas.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "kind": ["x", "y", "x"]})


@pytest.mark.parametrize("form", ["csv", "parquet", "folder", "npz"])
def test_data_one_has_is_read_by_the_name_of_its_label(form, tmp_path, state, capsys):
    source = tmp_path / f"mine.{form}"
    if form == "csv":
        TABLE.to_csv(source, index=False)
    elif form == "parquet":
        TABLE.to_parquet(source)
    elif form == "folder":
        source.mkdir()
        TABLE[:2].to_csv(source / "1.csv", index=False)
        TABLE[2:].to_csv(source / "2.csv", index=False)
    else:
        np.savez(source, X=TABLE[["a", "b"]].to_numpy(), y=np.array([0, 1, 0]))
    label = "" if form == "npz" else "kind"
    code, document = answer(data_get.get, capsys, name="mine", from_=str(source), label=label)
    assert (code, document["rows"], document["columns"]) == (DONE, 3, 2)
    assert document["classes"] == ([] if form == "npz" else ["x", "y"])
    place = state / "data/mine"
    assert np.load(place / "X.npy").tolist() == [[1, 0.5], [2, 1.5], [3, 2.5]]
    assert np.load(place / "y.npy").tolist() == [0, 1, 0]
    again = answer(data_get.get, capsys, name="mine", from_=str(source), label=label)
    assert again[1]["changes"] is False


def test_other_content_and_another_label_are_read_anew(tmp_path, state, capsys):
    source = tmp_path / "mine.csv"
    said = {"name": "mine", "from_": str(source)}
    numbers = TABLE.assign(kind=[4, 5, 4], other=[0, 0, 1])
    numbers.to_csv(source, index=False)
    assert answer(data_get.get, capsys, **said, label="kind")[1]["changes"]
    code, document = answer(data_get.get, capsys, **said, label="other")
    assert (code, document["changes"]) == (DONE, True)
    assert np.load(state / "data/mine/y.npy").tolist() == [0, 0, 1]
    numbers.assign(other=[1, 1, 1]).to_csv(source, index=False)
    assert answer(data_get.get, capsys, **said, label="other")[1]["changes"]
    assert np.load(state / "data/mine/y.npy").tolist() == [1, 1, 1]
    assert not answer(data_get.get, capsys, **said, label="other")[1]["changes"]


BAD = {
    "no such column": ("a,b\n1,2\n", "kind", "kind: is no column; there is a, b"),
    "a text": ("a,kind\n1,0\nfew,1\n", "kind", "a: must be numbers, is 'few' in row 1"),
    "two problems": ("a,b,kind\nx,,0\n", "kind", "a: must be numbers"),
    "a missing value": ("a,b,kind\n1,2,0\n1,,0\n", "kind", "b: misses 1 values"),
    "a missing label": ("a,kind\n1,0\n1,\n", "kind", "kind: misses 1"),
    "a label of fractions": ("a,kind\n1,0.5\n", "kind", "kind: must be whole numbers"),
    "no label named": ("a,b\n1,2\n", "", "one of them is the label"),
    "no rows": ("a,b\n", "b", "has no rows"),
    "an empty file": ("", "b", "is empty"),
    "nothing but a label": ("b\n1\n", "b", "is the only column"),
    "no finite number": ("a,b\ninf,1\n", "b", "a: must be finite"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_gives_one_error_and_nothing_half_made(case, tmp_path, state, capsys):
    text, label, words = BAD[case]
    source = tmp_path / "mine.csv"
    source.write_text(text)
    code, document = answer(data_get.get, capsys, name="mine", from_=str(source), label=label)
    assert code == BAD_USAGE
    assert words in document["problem"]
    assert document["next_step"]
    assert left(state) == []


@pytest.mark.parametrize(
    "options",
    [
        {"name": "cifar"},
        {"name": "nycflights", "from_": "."},
        {"name": "mine", "from_": "absent.csv"},
        {"name": "mine", "from_": "."},
        {"name": "covtype", "from_": "mine.csv"},
        {"name": "../mine", "from_": "mine.csv"},
        {"name": "covtype", "to": "moon"},
        {"name": "covtype", "deadline": "soon"},
        {"name": "covtype", "sha256": "abc"},
        {"name": "nycflights", "url": "file:///etc/passwd"},
    ],
)
def test_bad_usage_is_named_before_anything_is_touched(options, tmp_path, state, capsys):
    (tmp_path / "mine.csv").write_text("")
    code, document = answer(data_get.get, capsys, **options)
    assert (code, bool(document["next_step"])) == (BAD_USAGE, True)
    assert left(state) == []


def test_a_damaged_file_of_arrays_is_refused(tmp_path, state, capsys):
    (tmp_path / "mine.npz").write_bytes(images()[0][:-40])
    code, document = answer(data_get.get, capsys, name="mine", from_="mine.npz")
    assert (code, "does not hold arrays" in document["problem"]) == (BAD_USAGE, True)
    assert left(state) == []


def test_arrays_of_the_wrong_shape_are_refused(tmp_path, state, capsys):
    np.savez(tmp_path / "mine.npz", X=np.zeros(3), y=np.zeros(2))
    code, document = answer(data_get.get, capsys, name="mine", from_="mine.npz")
    assert code == BAD_USAGE
    assert "X: must be numbers, rows x columns" in document["problem"]
    assert "y: must be" in document["problem"]
    assert left(state) == []


def test_the_manifest_says_where_data_come_from(tmp_path, state, capsys):
    TABLE.to_csv(tmp_path / "mine.csv", index=False)
    answer(data_get.get, capsys, name="mine", from_="mine.csv", label="kind")
    kept = json.loads((state / "data/mine/manifest.json").read_text())
    assert kept["from"] == str(tmp_path / "mine.csv")
    assert data_verbs.collection["get"]
