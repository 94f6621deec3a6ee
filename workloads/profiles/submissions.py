"""What a process gives Ray to do, noted as it is submitted: which task needs which.

Ray keeps the names and times of tasks and who submitted them, not what they need. References
to results name the task that they come from, so it can be read off what is submitted here.
"""

import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from workloads.profiles.graph import MOST_TASKS

_noted: dict[str, list[str]] = {}


def watch() -> None:
    """Take note of remote functions and methods of actors that this process calls from now on.

    Raises
    ------
    AttributeError, ImportError
        If this version of Ray has none of the two where they are looked for.
    """
    for module, name in (
        ("ray.remote_function", "RemoteFunction"),
        ("ray.actor", "ActorMethod"),
    ):
        owner = getattr(importlib.import_module(module), name)
        owner._remote = _noting(owner._remote)


def noted() -> dict[str, list[str]]:
    """Return the needs of each task noted so far; ids are hexadecimal."""
    return {task: needs for task, needs in _noted.items() if needs}


def _noting(submit: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(submit)
    def submitted(
        self: Any, args: Any = None, kwargs: Any = None, *more: Any, **rest: Any
    ) -> Any:
        found = submit(self, args, kwargs, *more, **rest)
        task = _task_of(found)
        if task and len(_noted) < MOST_TASKS:
            needs = (_task_of(one) for one in _flat([args or (), kwargs or {}]))
            _noted[task] = [need for need in needs if need]
        return found

    return submitted


def _flat(value: Any, depth: int = 3) -> Iterator[Any]:
    """Yield what may be references: in arguments, and in lists and tables among these."""
    if depth and isinstance(value, list | tuple | set | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _flat(one, depth - 1)
    else:
        yield value


def _task_of(value: Any) -> str:
    """Return the id of the task of a reference, of the first of several, or of a generator."""
    value = value[0] if isinstance(value, list) and value else value
    value = getattr(value, "_generator_ref", value)
    ask = getattr(value, "task_id", None)
    return str(ask().hex()) if callable(ask) else ""
