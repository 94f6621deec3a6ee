"""A line to a port of this computer that breaks once, after so many bytes."""

import contextlib
import socket
import threading


class Line:
    """Listens on a free port and passes bytes on; after `limit` of them it resets, once."""

    def __init__(self, target: int, limit: int) -> None:
        self._target = target
        self._left = limit
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.cut = False

    def __enter__(self) -> "Line":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target), 10)
            far.settimeout(None)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if self._spent(len(data)):
                    break
                target.sendall(data)
        for line in (source, target):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _spent(self, count: int) -> bool:
        """Count bytes; true for those with which the line breaks."""
        with self._lock:
            if self.cut:
                return False
            self._left -= count
            self.cut = self._left <= 0
            return self.cut
