"""A slot's process with the thread that waits for it, which end together."""

import threading
from collections.abc import Callable

from workloads.engines.slot_process import SlotProcess

END_SECONDS = 10.0


class SlotThread:
    """Waits for one `process`, an attempt at a time, in a thread of its own."""

    def __init__(self, process: SlotProcess) -> None:
        self.process = process
        self._thread: threading.Thread | None = None
        self._closing = False

    def begin(self, attempt: Callable[[], None]) -> None:
        """Start an attempt; the one before has ended."""
        self._thread = threading.Thread(
            target=self._unless_closing, args=[attempt], daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End the process, and the attempt that waits for it.

        A signal may have stopped the driver in the middle of `begin`, before the thread of an
        attempt ran: that thread can't be joined, and must not start a process any more.
        """
        self._closing = True
        self.process.interrupt()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(END_SECONDS)
        self.process.close()

    def _unless_closing(self, attempt: Callable[[], None]) -> None:
        if not self._closing:
            attempt()
