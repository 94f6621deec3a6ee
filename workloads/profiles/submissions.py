"""What a process gives Ray to do, noted as it is submitted: which task needs which.

Ray keeps the names and times of tasks and who submitted them, not what they need. References
to results name the task that they come from, so it can be read off what is submitted here.
What is submitted after results were fetched is another round.
"""

import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from workloads.profiles.graph import MOST_TASKS


class Notes:
    """The round and the needs of each task that was submitted, by its id."""

    def __init__(self) -> None:
        self.tasks: dict[str, tuple[int, list[str]]] = {}
        self._round = 0
        self._fetched = False

    def noting(self, submit: Callable[..., Any]) -> Callable[..., Any]:
        """Return what submits a task and takes note of it."""

        @functools.wraps(submit)
        def submitted(
            owner: Any, args: Any = None, kwargs: Any = None, *more: Any, **rest: Any
        ) -> Any:
            found = submit(owner, args, kwargs, *more, **rest)
            task = _task_of(found)
            if task and len(self.tasks) < MOST_TASKS:
                if self._fetched:
                    self._round, self._fetched = self._round + 1, False
                needs = (_task_of(one) for one in _flat([args or (), kwargs or {}]))
                self.tasks[task] = self._round, [need for need in needs if need]
            return found

        return submitted

    def fetching(self, get: Callable[..., Any]) -> Callable[..., Any]:
        """Return what fetches results and takes note of that."""

        @functools.wraps(get)
        def fetched(*args: Any, **kwargs: Any) -> Any:
            found = get(*args, **kwargs)
            self._fetched = bool(self.tasks)
            return found

        return fetched


notes = Notes()


def watch(ray: Any) -> None:
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
        owner._remote = notes.noting(owner._remote)
    ray.get = notes.fetching(ray.get)


def _flat(value: Any, depth: int = 4) -> Iterator[Any]:
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
