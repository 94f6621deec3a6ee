"""What a remote command wrote, up to a limit."""

from dataclasses import dataclass

from provision.words import plain_text


@dataclass(frozen=True)
class Result:
    """What a remote command came to; output beyond the limit is dropped and `cut` says so."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    cut: bool = False

    @property
    def complaint(self) -> str:
        """The end of what it wrote on standard error, safe to print."""
        return plain_text(self.stderr[-2000:]).strip()


class Kept:
    """The first bytes of an output, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._parts: list[bytes] = []
        self._left = limit
        self.cut = False

    def add(self, part: bytes) -> None:
        """Take what fits."""
        self.cut = self.cut or len(part) > self._left
        self._parts.append(part[: self._left])
        self._left -= len(self._parts[-1])

    def data(self) -> bytes:
        """Return what was kept."""
        return b"".join(self._parts)

    def text(self) -> str:
        """Return the end of it, safe to print."""
        return plain_text(self.data()[-500:]).strip()
