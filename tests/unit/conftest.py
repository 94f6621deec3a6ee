"""A cloud for the unit tests: moto's server on this machine's loopback."""

import urllib.request
from collections.abc import Iterator

import pytest

from tests.doubles import aws_server


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """Give the address of a server that the tests of one session share."""
    with aws_server.moto_server() as address:
        yield address


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch, tmp_path) -> str:
    """Give an empty cloud that boto3 finds by the SDK's own variables."""
    request = urllib.request.Request(f"{moto}/moto-api/reset", method="POST")  # noqa: S310
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
    for name, value in aws_server.VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    return moto


@pytest.fixture
def mocked_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give an empty cloud inside this process; waiting for machines takes no time."""
    from moto import mock_aws

    from infra import aws_calls

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setitem(aws_calls.POLL, "Delay", 0.05)
    with mock_aws():
        yield
