"""Takes single values from a stack's configuration and notes what is wrong with them."""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.schema import Problems
from infra.cloud_rules import Text
from infra.settings import number


class Asker:
    """Knows a configuration with its defaults; every answer that cannot be used is None."""

    def __init__(self, known: Mapping[str, Any], problems: Problems) -> None:
        self._known = known
        self._problems = problems

    def text(self, name: str, rule: Text) -> str | None:
        """Return a text that matches the rule; None if it is empty."""
        value = self._known[name]
        if value == "" or rule.pattern.match(str(value)):
            return str(value) or None
        self._problems.add(name, f"{rule.words}, is {value!r:.80}")
        return None

    def flag(self, name: str) -> bool:
        """Return a flag, which is false if it cannot be read."""
        value = self._known[name]
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        self._note(name, f"must be true or false, is {value!r:.80}")
        return False

    def choice(self, name: str, choices: Sequence[str]) -> Any:
        """Return one of the choices, the first if it is none of them."""
        value = self._known[name]
        if value in choices:
            return value
        self._note(name, f"must be {' or '.join(choices)}, is {value!r:.80}")
        return choices[0]

    def amount(self, name: str, least: float, most: float) -> float | None:
        """Return a number within its limits; None if it is empty."""
        value = self._known[name]
        if value == "":
            return None
        found = number(value)
        if found is None or not least <= found <= most:
            self._note(name, f"must be a number from {least:g} to {most:g}, is {value!r:.80}")
            return None
        return found

    def whole(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number within its limits; None if it is empty."""
        found = self.amount(name, least, most)
        if found is not None and found != int(found):
            self._note(name, f"must be a whole number, is {found:g}")
        return None if found is None else int(found)

    def _note(self, name: str, rule: str) -> None:
        # A flag may be asked for twice.
        if f"{name}: {rule}" not in self._problems.found:
            self._problems.add(name, rule)
