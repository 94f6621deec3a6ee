"""The dashboard's address: which ports may be asked for, and what is told when."""

import contextlib
import errno
import json
import socket

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from contracts.errors import BAD_USAGE, UsageError
from provision import dashboard as tunnels
from tasks import dashboard


class Link:
    """A connection that opens its local port as a real one does, and carries nothing."""

    def __init__(self, failure=None):
        self.failure = failure

    @contextlib.contextmanager
    def forward(self, local, remote):
        if self.failure:
            raise OSError(self.failure, "no")
        with socket.create_server(("127.0.0.1", local)) as server:
            yield server.getsockname()[1]


@pytest.mark.parametrize("port", ["0", "65536", "99999", "web"])
def test_a_port_that_cannot_be_is_refused_before_anything_is_read(port, capsys):
    with pytest.raises(Exit) as caught:
        dashboard.show(Context(), port=port, inventory="none.json")
    assert caught.value.code == BAD_USAGE
    words = capsys.readouterr().err
    assert "--port must be" in words
    assert port in words


def test_a_port_in_use_is_told_apart_from_one_that_is_not_ours():
    with socket.create_server(("127.0.0.1", 0)) as taken, contextlib.ExitStack() as stack:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port} is in use"):
            tunnels._open(stack, Link(), port, 8265)
        assert tunnels._open(stack, Link(), None, port) != port
    with pytest.raises(UsageError, match="--port 80 is for root alone"):
        tunnels._open(contextlib.ExitStack(), Link(errno.EACCES), 80, 8265)


def test_as_json_the_address_is_told_while_the_tunnel_is_open(monkeypatch, capsys):
    class Any:
        engine = "dask"

        def __getattr__(self, name):
            return self

    @contextlib.contextmanager
    def tunnel(*all, **named):
        yield "http://127.0.0.1:1/status"

    told = []
    monkeypatch.setattr(dashboard.inventories, "load", lambda path: Any())
    monkeypatch.setattr(dashboard, "_endpoint", lambda machines: Any())
    monkeypatch.setattr(dashboard, "Links", lambda machines: contextlib.nullcontext({}))
    monkeypatch.setattr(dashboard.dashboard, "tunnel", tunnel)
    monkeypatch.setattr(dashboard, "_wait", lambda limit: told.append(capsys.readouterr().out))
    dashboard.show(Context(), json=True)
    assert json.loads(told[0]) == {"url": "http://127.0.0.1:1/status", "engine": "dask"}
    assert capsys.readouterr().out == ""
