"""What `fab doctor` says of Pulumi."""

import pytest

from infra import pulumi_checks, pulumi_cli


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Make a program that tells a version, the only one to be found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "a phrase")

    def make(version):
        path = tmp_path / "pulumi"
        path.write_text(
            f'#!/bin/sh\nif [ "$1" = version ]; then echo {version}; else echo "[]"; fi\n'
        )
        path.chmod(0o755)
        return path

    return make


def states(state, *, cloud="aws"):
    return {one.what: one.state for one in pulumi_checks.pulumi(state, cloud=cloud)}


def test_without_the_program_nothing_is_said_of_what_was_not_asked(program, tmp_path):
    (found,) = pulumi_checks.pulumi(tmp_path, cloud="aws")
    assert (found.state, found.fix) == ("bad", "fab setup.run")
    assert "download" not in found.words
    assert found.words == pulumi_cli.WITHOUT
    assert states(tmp_path, cloud="") == {"pulumi": "note"}


@pytest.mark.parametrize(
    ("version", "state"),
    [("v3.272.0", "ok"), ("v4.0.1", "ok"), ("v3.271.9", "bad"), ("v2.300.0", "bad")],
)
def test_a_program_that_is_too_old_is_bad(program, tmp_path, version, state):
    program(version)
    assert states(tmp_path) == {"pulumi": state, "plugin aws": "note"}


def test_an_empty_passphrase_is_bad(program, tmp_path, monkeypatch):
    program("v3.300.0")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    assert states(tmp_path)["passphrase"] == "bad"
