"""What a check before money is spent found, each with what mends it."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from contracts.errors import TandemError

State = Literal["ok", "note", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `note` keeps nothing from working; `bad` does."""

    what: str
    state: State
    words: str
    fix: str = ""

    def document(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return asdict(self)


def guarded(what: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check found; one that cannot be made is a finding, too."""
    try:
        return list(look())
    except TandemError as error:
        words = " ".join(filter(None, (error.problem, error.cause)))
        return [Finding(what, "bad", words, error.next_step or "")]
