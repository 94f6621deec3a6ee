"""What every verb does alike: JSON alone on standard output, exit codes, plain errors."""

import json

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from contracts.errors import (
    DeadlineError,
    InvalidDocument,
    LeftoversError,
    PartialError,
    RefusedError,
    TandemError,
    UsageError,
)
from tasks.verb import Answer, listed, verb, whole_number


@verb()
def answer(context, name="you"):
    """Greet."""
    return Answer({"hello": name}, f"Hello, {name}.")


def failing(error: BaseException):
    @verb()
    def fail(context):
        """Fail."""
        raise error

    return fail


def test_words_for_people_and_an_object_for_programs(capsys):
    answer(Context(), name="Ada")
    assert capsys.readouterr().out == "Hello, Ada.\n"
    answer(Context(), name="Ada", json=True)
    assert json.loads(capsys.readouterr().out) == {"hello": "Ada"}


def test_every_verb_offers_json_in_its_help():
    names = [argument.name for argument in answer.get_arguments()]
    assert names == ["name", "json"]


def test_help_shows_each_default_that_is_no_flag():
    @verb(help={"size": "how big", "dry-run": "touch nothing", "name": "whose"})
    def sized(context, size="3g", dry_run=False, name=""):
        """Size."""

    helped = {argument.names[0]: argument.help for argument in sized.get_arguments()}
    assert helped["size"] == "how big (default 3g)"
    assert (helped["dry-run"], helped["name"]) == ("touch nothing", "whose")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TandemError("No."), 1),
        (UsageError("No."), 2),
        (InvalidDocument(source="x.json", problems=["a: missing"]), 2),
        (PartialError("No."), 3),
        (RefusedError("No."), 4),
        (DeadlineError(waited_for="it", whom="node-1", seconds=3, last_state="none"), 5),
        (LeftoversError("No."), 8),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_error_has_its_exit_code(error, code, capsys):
    with pytest.raises(Exit) as caught:
        failing(error)(Context(), json=True)
    assert caught.value.code == code
    printed = capsys.readouterr()
    assert json.loads(printed.out)["exit_code"] == code
    assert "Traceback" not in printed.err


def test_an_error_names_problem_cause_and_next_command(capsys):
    error = UsageError("--nodes is 0.", cause="A cluster has a head.", next_step="--nodes 1")
    with pytest.raises(Exit):
        failing(error)(Context())
    assert capsys.readouterr().err == "--nodes is 0.\nA cluster has a head.\nNext: --nodes 1\n"


def test_a_defect_of_ours_goes_to_a_log_and_says_where(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))
    with pytest.raises(Exit) as caught:
        failing(ZeroDivisionError("oh"))(Context())
    assert caught.value.code == 1
    words = capsys.readouterr().err
    (log,) = (tmp_path / "logs").iterdir()
    assert str(log) in words
    assert "Traceback" in log.read_text()


def test_trouble_with_a_file_names_it_and_what_to_do(capsys):
    with pytest.raises(Exit) as caught:
        failing(PermissionError(13, "Permission denied", "/keys/id"))(Context())
    assert caught.value.code == 1
    words = capsys.readouterr().err
    assert "/keys/id cannot be used: Permission denied." in words
    assert "Next: make room or mend the permissions" in words


def test_a_defect_is_told_even_where_no_log_can_be_written(monkeypatch, capsys):
    monkeypatch.setenv("TANDEM_STATE", "/proc/nowhere")
    with pytest.raises(Exit) as caught:
        failing(ZeroDivisionError("oh"))(Context())
    assert caught.value.code == 1
    assert "ZeroDivisionError: oh" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "abc", "", "1e3"])
def test_what_is_no_whole_number_is_refused_by_name(text):
    with pytest.raises(UsageError, match="--nodes must be a whole number from 1"):
        whole_number(text, "--nodes")


def test_whole_numbers_and_lists_are_read():
    assert whole_number("3", "--nodes") == 3
    assert listed(" ray, dask,,") == ["ray", "dask"]
