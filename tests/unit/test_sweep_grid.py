"""Parameters from a file and from the command line."""

import pytest

from contracts.errors import BAD_USAGE, InvalidDocument, UsageError
from workloads.sweeps.grid import read_grid, with_settings


def test_a_grid_file_is_read(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text('data = "digits"\n[grid]\ndepth = [1, 2]\n')
    assert read_grid(path) == {"data": "digits", "grid": {"depth": [1, 2]}}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("not TOML", "grid = [1, 2", "grid.toml has 1 problem"),
        ("a date", "day = 2026-11-21", "grid.toml has 1 problem"),
        ("not a number", "depth = [nan]", "grid.toml has 1 problem"),
        ("infinity", "depth = inf", "grid.toml has 1 problem"),
        ("the same key twice", "a = 1\na = 2", "grid.toml has 1 problem"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else None,
)
def test_a_malformed_grid_is_named(tmp_path, name, text, words):
    path = tmp_path / "grid.toml"
    path.write_text(text)
    with pytest.raises(InvalidDocument, match=words) as raised:
        read_grid(path)
    assert raised.value.exit_code == BAD_USAGE


def test_no_grid_file(tmp_path):
    with pytest.raises(UsageError, match=r"none\.toml cannot be read") as raised:
        read_grid(tmp_path / "none.toml")
    assert "--grid" in str(raised.value)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        read_grid(path)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("folds=3", {"folds": 3}),
        ("folds=0.5", {"folds": 0.5}),
        ("data=digits", {"data": "digits"}),
        ("grid.depth=[null, 10]", {"grid": {"depth": [None, 10]}}),
        ("grid.depth=none", {"grid": {"depth": "none"}}),
        ("flag=true", {"flag": True}),
        ("text=NaN", {"text": "NaN"}),
        ("text=a=b", {"text": "a=b"}),
        ("text=$(touch x); `y`", {"text": "$(touch x); `y`"}),
        ("empty=", {"empty": ""}),
    ],
)
def test_a_setting_is_json_or_a_text(setting, expected):
    assert with_settings({}, [setting]) == expected


def test_settings_leave_the_given_parameters_alone():
    given = {"grid": {"depth": [1]}}
    assert with_settings(given, ["grid.depth=[2]", "grid.leaf=[3]"]) == {
        "grid": {"depth": [2], "leaf": [3]}
    }
    assert given == {"grid": {"depth": [1]}}


def test_every_bad_setting_is_told_at_once():
    with pytest.raises(InvalidDocument) as raised:
        with_settings({"folds": 3}, ["folds", "=3", "a..b=1", "folds.x=1"])
    assert len(raised.value.problems) == 4
