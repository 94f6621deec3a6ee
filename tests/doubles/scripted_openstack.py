"""A connection to an OpenStack cloud that answers from a script and keeps what it was asked.

For decisions about single machines and about order; what services really do is for tests that
have services.
"""

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import requests
from openstack import exceptions


def failure(status: int, words: str = "it failed") -> exceptions.HttpException:
    """Return an error as the SDK raises it for a status."""
    kinds = {404: exceptions.NotFoundException, 409: exceptions.ConflictException}
    answer = requests.Response()
    answer.status_code = status
    return kinds.get(status, exceptions.HttpException)(words, response=answer)


def thing(**values: Any) -> SimpleNamespace:
    """Return one thing of the cloud with these attributes."""
    return SimpleNamespace(**values)


class ScriptedCloud:
    """`answers` gives, for each call such as `get_server`, what it returns one after another.

    An error in the place of an answer is raised; the last answer stays.
    """

    def __init__(self, **answers: Any) -> None:
        self._answers = {name: list(found) for name, found in answers.items()}
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.compute = self.network = self.identity = _Service(self)
        self.current_user_id = "u1"

    def answer(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        self.calls.append((name, args, options))
        left = self._answers.get(name)
        if left is None:
            return None
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    def asked(self, name: str) -> list[Any]:
        """Return the first argument, or else the options, of each call of that name."""
        return [
            args[0] if args else options for known, args, options in self.calls if known == name
        ]

    @contextmanager
    def as_cloud_of(self, props):
        """Stand in for infra.openstack_calls.cloud_of."""
        yield self


class _Service:
    def __init__(self, cloud: ScriptedCloud) -> None:
        self._cloud = cloud

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: self._cloud.answer(name, args, options)
