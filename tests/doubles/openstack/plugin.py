"""A double of the provider plugin `openstack`: the protocol of the SDK on openstacksdk's calls.

It speaks to real services and refuses every login address that is not on loopback: no test can
reach a real cloud through it. What it makes is what the real plugin makes.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from keystoneauth1 import exceptions as auth_errors
from pulumi.runtime.proto import plugin_pb2, provider_pb2

from infra.openstack_calls import connect
from tests.doubles.aws import plugin
from tests.doubles.aws.kind import Kind
from tests.doubles.aws.plugin import told
from tests.doubles.aws.wire import plain, to_dict
from tests.doubles.openstack import kinds_access, kinds_network

VERSION = "5.5.3"
KINDS: dict[str, type[Kind]] = {**kinds_network.KINDS, **kinds_access.KINDS}


class Provider(plugin.Provider):
    """Answers the engine."""

    def __init__(self) -> None:
        self._link: Any = None

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        schema = json.dumps({"name": "openstack", "version": VERSION})
        return provider_pb2.GetSchemaResponse(schema=schema)

    def Configure(self, request: Any, context: Any) -> Any:
        given = plain(to_dict(request.args))
        with told(context):
            link = connect(given.get("cloud"), given.get("region"))
            url = link.config.get_auth_args()["auth_url"]
            if urlsplit(url).hostname != "127.0.0.1":
                raise ValueError(f"this double does not speak to {url}")
            try:
                link.session.get_token()
            except auth_errors.ClientException as error:
                raise ValueError(f"Error creating OpenStack client: {error}") from error
            self._link = link
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def _kind(self, urn: str) -> Kind:
        token = urn.split("::")[2].split("$")[-1]
        if token not in KINDS:
            raise NotImplementedError(f"this double of the OpenStack provider has no {token}")
        return KINDS[token](self._link)


if __name__ == "__main__":
    plugin.serve(Provider())
