"""Remote commands built of parts, so that nothing typed by a user is ever read by a shell.

>>> Command("cat", "--", Quote("my file; rm -rf ~")).render()
"cat -- 'my file; rm -rf ~'"
"""

import re
import shlex

_WORD = re.compile(r"[A-Za-z0-9_./:=@%+,-]+\Z")
_LONGEST = 128 * 1024
HIDDEN = "***"


class Quote:
    """A value that reaches the program as one argument, whatever it holds.

    Raises
    ------
    ValueError
        If no argument can hold it: it has a NUL, or no UTF-8 form, or is too long.
    """

    def __init__(self, value: str) -> None:
        if "\x00" in value:
            raise ValueError(f"an argument cannot hold a NUL: {value!r:.80}")
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise ValueError(f"an argument must be UTF-8: {value!r:.80}") from error
        if size > _LONGEST:
            raise ValueError(f"an argument of {size} bytes is longer than {_LONGEST}")
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def shown(self) -> str:
        """Return what people may see of it."""
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown()!r})"


class Secret(Quote):
    """A value that only the transport sees; people, logs and tracebacks see `***`."""

    def shown(self) -> str:
        """Return `***`."""
        return HIDDEN


class Command:
    """One remote command: plain words as they are, values as `Quote` or `Secret`.

    A value with a leading dash is refused unless the word `--` stands before it, because
    quoting alone does not keep a program from reading it as an option.

    Raises
    ------
    ValueError
        If a word is not plain, or a value could pass for an option.
    """

    def __init__(self, *parts: str | Quote) -> None:
        if not parts:
            raise ValueError("a command has at least one word")
        ended = False
        for part in parts:
            if isinstance(part, Quote):
                if part.reveal().startswith("-") and not ended:
                    raise ValueError(f"{part!r} could pass for an option; put -- before it")
            elif not _WORD.match(part):
                raise ValueError(f"{part!r} is not a plain word; wrap it in Quote")
            ended = ended or part == "--"
        self._parts = parts

    def render(self) -> str:
        """Return the line for the remote shell, secrets included."""
        return " ".join(
            shlex.quote(part.reveal()) if isinstance(part, Quote) else part
            for part in self._parts
        )

    def redacted(self) -> str:
        """Return the line for people and logs, secrets as `***`."""
        return " ".join(
            shlex.quote(part.shown()) if isinstance(part, Quote) else part
            for part in self._parts
        )

    def __str__(self) -> str:
        return self.redacted()

    def __repr__(self) -> str:
        return f"Command({self.redacted()!r})"
