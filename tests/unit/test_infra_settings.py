"""What may be asked of local machines: everything wrong is told at once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from contracts.errors import InvalidDocument, UsageError
from infra.settings import (
    LEAST_MEMORY,
    MOST_NODES,
    LocalSettings,
    check_fit,
    check_name,
    parse_local,
    parse_size,
)

GOOD = {"name": "local", "nodes": "3", "cpus": "0.6", "memory": "3g"}
GIB = 1024**3


def parse(**changes):
    wanted = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    return parse_local(
        wanted, state=Path("/state"), door="fab", source="test", next_step="try again"
    )


def test_texts_and_numbers_mean_the_same():
    wanted = LocalSettings(nodes=3, cpus=0.6, memory_bytes=3 * GIB, state=Path("/state"))
    assert parse() == wanted
    assert parse(nodes=3, cpus=0.6, memory=3 * GIB) == wanted
    assert parse(nodes=3.0) == wanted


def test_a_price_comes_with_its_currency():
    assert parse().hourly_price is None
    priced = parse(price="0.05", currency="SEK")
    assert (priced.hourly_price, priced.currency) == (0.05, "SEK")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodes", "0"),
        ("nodes", "-1"),
        ("nodes", "2.5"),
        ("nodes", "1000000"),
        ("nodes", str(MOST_NODES + 1)),
        ("nodes", "three"),
        ("nodes", ""),
        ("nodes", "nan"),
        ("nodes", True),
        ("nodes", ...),
        ("cpus", "0"),
        ("cpus", "-0.5"),
        ("cpus", "nan"),
        ("cpus", "inf"),
        ("cpus", "1e9"),
        ("cpus", ...),
        ("memory", "lots"),
        ("memory", "100m"),
        ("memory", "-3g"),
        ("memory", "nan"),
        ("memory", "3 gb b"),
        ("memory", "9" * 400 + "t"),
        ("memory", ...),
        ("name", "Local"),
        ("name", "a;reboot"),
        ("name", "-o"),
        ("name", "a\nb"),
        ("name", ""),
        ("name", "a" * 32),
        ("price", "-1"),
        ("price", "nan"),
        ("currency", "eur"),
        ("currency", "$"),
        ("colour", "red"),
    ],
)
def test_a_bad_value_is_named(field, value):
    with pytest.raises(InvalidDocument) as caught:
        parse(**{field: value})
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"{field}: ")
    assert caught.value.exit_code == 2


def test_all_problems_are_told_at_once():
    with pytest.raises(InvalidDocument) as caught:
        parse(name="A", nodes="0", cpus="nan", memory="x", price="?", currency="€", colour=1)
    named = {problem.split(":")[0] for problem in caught.value.problems}
    assert named == {"name", "nodes", "cpus", "memory", "price", "currency", "colour"}
    assert "try again" in str(caught.value)


@given(some.text(max_size=40))
def test_no_text_gets_past_the_rule_for_names(text):
    try:
        check_name(text)
    except InvalidDocument:
        return
    assert text.isascii()
    assert text[0].isalpha()
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@given(some.text(max_size=12) | some.floats() | some.integers() | some.none())
def test_nothing_that_is_asked_for_ends_in_another_error(value):
    try:
        settings = parse(nodes=value, cpus=value, memory=value, price=value)
    except InvalidDocument:
        return
    assert 1 <= settings.nodes <= MOST_NODES
    assert settings.memory_bytes >= LEAST_MEMORY


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("3g", 3 * GIB),
        ("3G", 3 * GIB),
        ("3GiB", 3 * GIB),
        ("2.5g", 5 * GIB // 2),
        (" 512 m ", 512 * 1024**2),
        ("1024k", 1024**2),
        ("123", 123),
        ("1t", 1024**4),
        ("g", None),
        ("1e3", None),
        ("", None),
    ],
)
def test_sizes_are_read_as_docker_reads_them(text, size):
    assert parse_size(text) == size


def test_machines_must_fit_into_memory_together():
    settings = parse(nodes=3, memory="3g")
    check_fit(settings, cpus=2, memory_bytes=9 * GIB)
    with pytest.raises(UsageError, match=r"(?s)take 9\.0 GiB.*at most 2730m") as caught:
        check_fit(settings, cpus=2, memory_bytes=8 * GIB)
    assert caught.value.exit_code == 2


def test_a_machine_has_no_more_cpus_than_the_computer():
    check_fit(parse(cpus=2), cpus=2, memory_bytes=100 * GIB)
    with pytest.raises(UsageError, match="this computer has 2"):
        check_fit(parse(cpus="2.5"), cpus=2, memory_bytes=100 * GIB)
