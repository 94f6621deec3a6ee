"""A connection to an OpenStack cloud that answers from a script and keeps what it was asked.

For decisions about single machines and about order; what services really do is for tests that
have services.
"""

import inspect
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import requests
from openstack import exceptions
from openstack.block_storage.v3 import _proxy as block_proxy
from openstack.compute.v2 import _proxy as compute_proxy
from openstack.identity.v3 import _proxy as identity_proxy
from openstack.image.v2 import _proxy as image_proxy
from openstack.network.v2 import _proxy as network_proxy
from openstack.object_store.v1 import _proxy as object_proxy

_PROXIES = {
    "compute": compute_proxy.Proxy,
    "network": network_proxy.Proxy,
    "identity": identity_proxy.Proxy,
    "image": image_proxy.Proxy,
    "block_storage": block_proxy.Proxy,
    "object_store": object_proxy.Proxy,
}


def failure(status: int, words: str = "it failed") -> exceptions.HttpException:
    """Return an error as the SDK raises it for a status."""
    kinds = {
        400: exceptions.BadRequestException,
        404: exceptions.NotFoundException,
        409: exceptions.ConflictException,
    }
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
        for name, proxy in _PROXIES.items():
            setattr(self, name, _Service(self, proxy))
        self.current_user_id, self.current_project_id = "u1", "p"
        self.config = thing(get_region_name=lambda: "EAST-1")

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
    def as_cloud_of(self, props, what=""):
        """Stand in for infra.openstack_calls.cloud_of."""
        yield self


class _Service:
    """A service whose calls take what the SDK's own take, and no others."""

    connect_retries = None

    def __init__(self, cloud: ScriptedCloud, proxy: type) -> None:
        self._cloud, self._proxy = cloud, proxy

    def __getattr__(self, name: str) -> Any:
        shape = inspect.signature(getattr(self._proxy, name))

        def call(*args: Any, **options: Any) -> Any:
            shape.bind(self, *args, **options)
            return self._cloud.answer(name, args, options)

        return call
