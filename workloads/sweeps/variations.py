"""The parameters that a sweep varies, as a user gives them: `NAME=V1,V2`, one or several."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.errors import InvalidDocument
from contracts.trial import canonical
from workloads.sweeps.grid import setting_value

MOST_VARIATIONS = 12
EXAMPLE = "--vary rows=1000,10000"

_OPENING, _CLOSING = "[{", "]}"


def varied(options: Iterable[str], fixed: Iterable[str]) -> list[dict[str, Any]]:
    """Return the settings of each variation; none where nothing is varied.

    Values are read as `--set` reads them; a comma inside brackets or quotes is part of one.
    Several options multiply, and the last changes fastest.

    >>> varied(["grid.max_depth=[null,10],[5]", "reuse=true,false"], [])[1]
    {'grid.max_depth': [None, 10], 'reuse': False}

    Parameters
    ----------
    options : iterable of str
        Each `NAME=V1,V2`; a dot in the name reaches into a table.
    fixed : iterable of str
        The names of the parameters that were given one value, which cannot be varied too.

    Raises
    ------
    InvalidDocument
        With everything that is wrong with the options.
    """
    problems: list[str] = []
    axes: dict[str, list[Any]] = {}
    for option in options:
        name, equals, text = option.partition("=")
        name = name.strip()
        if not equals or not all(part.strip() for part in name.split(".")):
            problems.append(f"{option!r}: must be NAME=V1,V2")
            continue
        problems += _overlaps(name, axes, "--vary")
        axes[name] = [setting_value(part) for part in _parts(text)]
        problems += _complaints(name, axes[name])
    fixed = list(fixed)
    for name in axes:
        problems += _overlaps(name, fixed, "--set")
    count = math.prod(len(values) for values in axes.values())
    if count > MOST_VARIATIONS:
        problems.append(
            f"{' x '.join(axes)}: makes {count} variations, the most is {MOST_VARIATIONS}; "
            "more are several sweeps, each with its --name"
        )
    if problems:
        raise InvalidDocument(source="--vary", problems=problems, next_step=EXAMPLE)
    if not axes:
        return []
    return [
        dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
    ]


def in_common(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is the same in all of these settings, in their order.

    >>> in_common([{"rows": 10, "reuse": True}, {"rows": 10, "reuse": False}])
    {'rows': 10}
    """
    first, *others = settings
    return {
        name: value
        for name, value in first.items()
        if all(canonical(other[name]) == canonical(value) for other in others)
    }


def _parts(text: str) -> Iterator[str]:
    """Yield what stands between the commas that are in no brackets and in no quotes."""
    depth, quoted, begin = 0, False, 0
    for index, letter in enumerate(text):
        if letter == '"' and text[index - 1 : index] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (letter in _OPENING) - (letter in _CLOSING)
            if letter == "," and depth == 0:
                yield text[begin:index]
                begin = index + 1
    yield text[begin:]


def _complaints(name: str, values: Sequence[Any]) -> Iterator[str]:
    texts = [_shown(value) for value in values]
    shown = ", ".join(texts)
    if "" in values:
        yield f"{name}: has an empty value: {shown}"
    elif len(values) < 2:
        yield (
            f"{name}: must have at least two values, has {shown}; one value is "
            f"--set {name}={shown}"
        )
    elif len(set(texts)) < len(texts):
        yield f"{name}: has a value twice: {shown}"


def _overlaps(name: str, others: Iterable[str], option: str) -> Iterator[str]:
    """Yield a complaint for each name that is this one, or reaches into it, or contains it."""
    for other in others:
        if other == name:
            twice = "twice with --vary" if option == "--vary" else f"with {option} and --vary"
            yield f"{name}: is given {twice}; leave one out"
        elif other.startswith(f"{name}.") or name.startswith(f"{other}."):
            yield f"{name}: would overwrite a part of {other} ({option}); leave one out"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)
