"""Checks of parameters that more than one workload makes."""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from contracts.schema import Problems

MOST_VALUES = 200


def preset(
    problems: Problems, parameters: Mapping[str, Any], presets: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Return the preset that is named, or the first; a wrong name is a problem."""
    name = parameters.get("preset", next(iter(presets)))
    if isinstance(name, str) and name in presets:
        return presets[name]
    problems.add("preset", f"must be one of {', '.join(presets)}, is {name!r:.80}")
    return {}


def over_preset(
    problems: Problems,
    parameters: Mapping[str, Any],
    defaults: Mapping[str, Any],
    presets: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what was given, without the preset's name, and it over the preset and defaults.

    Keys that `defaults` has not are a problem, but for those of every workload.
    """
    problems.unknown_keys("", parameters, [*defaults, "preset", "data_version"])
    given = {key: value for key, value in parameters.items() if key != "preset"}
    return given, {**defaults, **preset(problems, parameters, presets), **given}


def between(least: float, most: float) -> Callable[[float], str | None]:
    """Return the rule that a number lies between two, both allowed."""
    return lambda value: None if least <= value <= most else f"must be from {least} to {most}"


def below_one(value: float) -> str | None:
    """Return what is wrong with a number that is a part of a whole, and not all of it."""
    return None if 0 <= value < 1 else "must be from 0 to below 1"


def above_zero(value: float) -> str | None:
    """Return what is wrong with a number that must be above zero, and finite."""
    return None if math.isfinite(value) and value > 0 else "must be above 0"


def one_of(known: Collection[str]) -> Callable[[str], str | None]:
    """Return the rule that a text is one of those known."""
    return lambda value: None if value in known else f"must be one of {', '.join(known)}"


def different(
    problems: Problems,
    document: Mapping[str, Any],
    key: str,
    words: str,
    good: Callable[[Any], bool],
) -> list[Any]:
    """Return a list of different texts or numbers that are good, of which `words` tell.

    It is empty, with a problem, if there is no such list.
    """
    found = problems.value(document, key, list)
    if found is None:
        return []
    fine = all(isinstance(one, str | int | float) and good(one) for one in found)
    if not found or not fine or len(set(found)) < len(found) or len(found) > MOST_VALUES:
        problems.add(key, f"must be 1 to {MOST_VALUES} different {words}, is {found!r:.80}")
        return []
    return list(found)


def whole_numbers(
    problems: Problems, document: Mapping[str, Any], key: str, *, least: int
) -> list[int]:
    """Return a list of different whole numbers; an empty one, with a problem, if it is none."""

    def good(one: Any) -> bool:
        return type(one) is int and one >= least

    return different(problems, document, key, f"whole numbers from {least}", good)


def same_version(
    problems: Problems, given: Mapping[str, Any], version: str, source: str
) -> None:
    """Refuse parameters that were made complete with other data than there are here.

    Raises
    ------
    InvalidDocument
        If the `data_version` in `given` is another.
    """
    if given.get("data_version", version) != version:
        words = f"is {given['data_version']!r}, but is {version} here"
        problems.add("data_version", words)
        problems.raise_if_any(source, next_step="leave data_version out")


def example(found: Sequence[str], examples: Mapping[str, str]) -> str:
    """Return what to type for the first field that is wrong and has a right form."""
    fields = [re.split(r"[.:\[]", problem, maxsplit=1)[0] for problem in found]
    known = [examples[field] for field in fields if field in examples]
    return known[0] if known else next(iter(examples.values()))
