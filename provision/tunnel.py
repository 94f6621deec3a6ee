"""A port of this machine's loopback carried to one of a node's, over its SSH connection."""

import contextlib
import select
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import paramiko

OPEN_SECONDS = 10.0
LOOK_SECONDS = 0.5
_CHUNK = 32 * 1024


@contextlib.contextmanager
def carry(transport: paramiko.Transport, local_port: int, remote_port: int) -> Iterator[int]:
    """Carry 127.0.0.1:`local_port` to the node's 127.0.0.1:`remote_port` for the block.

    Gives the local port, which is a free one where 0 was asked for. Clients that hang up, and
    a remote port that does not answer, end their own connection and nothing else.
    """
    with _Server(transport, local_port, remote_port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(
        self, transport: paramiko.Transport, local_port: int, remote_port: int
    ) -> None:
        self.transport = transport
        self.remote = ("127.0.0.1", remote_port)
        super().__init__(("127.0.0.1", local_port), _Carrier)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client sees that its connection ended."""


class _Carrier(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Pass bytes between one client and the node until either side ends."""
        channel = self.server.transport.open_channel(
            "direct-tcpip", self.server.remote, self.client_address, timeout=OPEN_SECONDS
        )
        with contextlib.closing(channel):
            while True:
                ready = select.select([self.request, channel], [], [], LOOK_SECONDS)[0]
                for source, target in ((self.request, channel), (channel, self.request)):
                    if source in ready:
                        data = source.recv(_CHUNK)
                        if not data:
                            return
                        target.sendall(data)
                if not self.server.transport.is_active():
                    return
