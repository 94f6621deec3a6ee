"""Carries connections from one network to another: from sockets in a container to this host."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence

_CHUNK = 64 * 1024
_SECONDS = 20.0


class Relay:
    """One thread carries everything; close what `open` returned to end a machine's part."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def open(self, listening: socket.socket, target: tuple[str, int]) -> "Carried":
        """Carry what comes in on a socket to an address of this host's own network."""
        carried = Carried(target)
        asyncio.run_coroutine_threadsafe(carried.begin(listening), self._loop).result(_SECONDS)
        return carried

    def close(self, every: Sequence["Carried"]) -> None:
        """Stop listening, and break what is open: such sockets would keep a network alive."""

        async def end() -> None:
            for one in every:
                one.end()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(_SECONDS)


class Carried:
    """One port, and the connections that came in on it."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def begin(self, listening: socket.socket) -> None:
        """Start to listen; to be called in the relay's thread."""
        self._server = await asyncio.start_server(self._carry, sock=listening)

    def end(self) -> None:
        """Stop; to be called in the relay's thread."""
        if self._server is not None:
            self._server.close()
        for one in self._open:
            one.cancel()

    async def _carry(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        writers = [answer]
        try:
            far, onward = await asyncio.open_connection(*self._target)
            writers.append(onward)
            await asyncio.gather(_pump(near, onward), _pump(far, answer))
        except (OSError, asyncio.CancelledError):
            pass  # whoever spoke sees the end of the connection
        finally:
            self._open.discard(task)
            for one in writers:
                one.close()


async def _pump(source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        into.write(data)
        await into.drain()
    with contextlib.suppress(OSError):
        into.write_eof()
