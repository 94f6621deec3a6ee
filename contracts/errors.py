"""Every error that a user can meet, with the exit code that `fab` ends with."""

from collections.abc import Sequence

DONE = 0
FAILED = 1
BAD_USAGE = 2
PARTIAL = 3
REFUSED = 4
DEADLINE_PASSED = 5
LEFTOVERS = 8
INTERRUPTED = 130


class TandemError(Exception):
    """Something went wrong that the user can understand and act upon.

    Parameters
    ----------
    problem : str
        One sentence that names the value at fault.
    cause : str, optional
        Why it happened, where that is known.
    next_step : str, optional
        The next command to type, or the thing to change.
    """

    exit_code = FAILED

    def __init__(
        self, problem: str, *, cause: str | None = None, next_step: str | None = None
    ) -> None:
        self.problem = problem
        self.cause = cause
        self.next_step = next_step
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [self.problem]
        if self.cause:
            parts.append(self.cause)
        if self.next_step:
            parts.append(f"Next: {self.next_step}")
        return "\n".join(parts)

    def as_json(self) -> dict[str, object]:
        """Return the error as the object that `--json` prints."""
        return {
            "error": type(self).__name__,
            "problem": self.problem,
            "cause": self.cause,
            "next_step": self.next_step,
            "exit_code": self.exit_code,
        }


class UsageError(TandemError, ValueError):
    """A value that the user typed cannot be used; nothing was touched."""

    exit_code = BAD_USAGE


class InvalidDocument(UsageError):
    """A configuration, an inventory or another file breaks its schema.

    All problems are reported at once, in `problems`.
    """

    def __init__(
        self, *, source: str, problems: Sequence[str], next_step: str | None = None
    ) -> None:
        self.source = source
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(
            f"{source} has {count} problem{'s' if count != 1 else ''}:\n{listed}",
            next_step=next_step or f"mend {source} and run the same command again",
        )


class PartialError(TandemError):
    """Some of the work is done and kept; the same command goes on from there."""

    exit_code = PARTIAL


class RefusedError(TandemError):
    """Going on would be unsafe: a changed host key, another owner, a held lock."""

    exit_code = REFUSED


class DeadlineError(TandemError, TimeoutError):
    """A wait ended without what was waited for.

    Parameters
    ----------
    waited_for : str
        What should have happened.
    whom : str
        The node, host or process that was waited for.
    seconds : float
        How long was waited.
    last_state : str
        What was last seen.
    """

    exit_code = DEADLINE_PASSED

    def __init__(
        self,
        *,
        waited_for: str,
        whom: str,
        seconds: float,
        last_state: str,
        next_step: str | None = None,
    ) -> None:
        self.whom = whom
        self.seconds = seconds
        self.last_state = last_state
        super().__init__(
            f"Waited {seconds:.0f} s on {whom} for {waited_for}, in vain.",
            cause=f"Last state seen: {last_state}",
            next_step=next_step,
        )


class LeftoversError(TandemError):
    """Something that costs money or space still exists."""

    exit_code = LEFTOVERS
