"""Nothing that a user typed is ever read by a shell, and no secret is ever shown."""

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.command import Command, Quote, Secret

HOSTILE = (
    "; touch canary",
    "$(touch canary)",
    "`touch canary`",
    "a'b\"c",
    "two\nlines",
    "~/.ssh",
    "../../etc",
    "*",
    "a\\",
    "名前",
    "",
    " ",
    "|| true",
    "x" * 4096,
)
texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60),
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(texts, max_size=4))
def test_each_value_is_one_argument_whatever_it_holds(values):
    line = Command("program", "--", *map(Quote, values)).render()
    assert shlex.split(line) == ["program", "--", *values]


@settings(max_examples=60, deadline=None)
@given(texts)
def test_a_real_shell_passes_the_value_on_and_runs_nothing(tmp_path_factory, value):
    folder = tmp_path_factory.getbasetemp()
    line = Command("printf", "--", "%s", Quote(value)).render()
    done = subprocess.run(
        ["/bin/bash", "-c", line], capture_output=True, cwd=folder, timeout=30, check=True
    )
    assert done.stdout.decode() == value
    assert not (folder / "canary").exists()


@pytest.mark.parametrize("value", ["-oProxyCommand=x", "--flag", "-"])
def test_a_leading_dash_needs_the_end_of_options_before_it(value):
    with pytest.raises(ValueError, match="could pass for an option"):
        Command("ssh", Quote(value))
    assert shlex.split(Command("ssh", "--", Quote(value)).render())[-1] == value


@pytest.mark.parametrize("word", ["a b", "$HOME", "a;b", "", "a\nb", "~", "'"])
def test_a_word_that_is_not_plain_must_be_quoted(word):
    with pytest.raises(ValueError, match="wrap it in Quote"):
        Command("echo", word)


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", "x" * 200_000])
def test_what_no_argument_can_hold_is_refused(value):
    with pytest.raises(ValueError, match="an argument"):
        Quote(value)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=12, max_size=40))
def test_a_secret_reaches_the_transport_and_nobody_else(value):
    secret = Secret(value)
    command = Command("login", "--", secret)
    assert shlex.split(command.render())[-1] == value
    for shown in (str(command), repr(command), command.redacted(), repr(secret), f"{secret}"):
        assert value not in shown
        assert "***" in shown
