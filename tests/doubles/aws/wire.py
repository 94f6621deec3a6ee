"""Values as the protocol between engine and provider carries them."""

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2

# How a secret looks on the wire.
_SIGNATURE = "4dabf18193072939515e22adb298388d"


def plain(value: Any) -> Any:
    """Return a value without the wrapping of secrets."""
    if isinstance(value, dict):
        if _SIGNATURE in value:
            return plain(value.get("value"))
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def unpacked(value: Any) -> Any:
    """Return a value of the configuration: the engine sends what is nested as JSON text."""
    if isinstance(value, str) and (value[:1] in ("[", "{") or value in ("true", "false")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def to_dict(values: struct_pb2.Struct) -> dict[str, Any]:
    """Return what the protocol carries as a JSON object."""
    return json_format.MessageToDict(values)


def to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return a JSON object as the protocol carries it, without what is nothing."""
    given = {key: value for key, value in values.items() if value is not None}
    return json_format.ParseDict(given, struct_pb2.Struct())
