"""What a resource's inputs hold, with a mark for what is not known before the update.

Pulumi's library raises an error whenever such a value is read, and then drops the whole rule
with a remark. A rule that is dropped in the preview stops an update half way, so a rule gets
plain data, and judges for itself what it does not know yet.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_policy.proxy import UnknownValueError


class _Unknown:
    """The mark: neither true nor equal to anything but itself."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "not known yet"


UNKNOWN: Any = _Unknown()


def plain(value: Any) -> Any:
    """Return a value of the engine as dictionaries, lists and scalars, the mark among them."""
    if isinstance(value, Mapping):
        return {str(key): _at(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_at(value, place) for place in range(len(value))]
    return value


def _at(values: Any, key: Any) -> Any:
    try:
        return plain(values[key])
    except UnknownValueError:
        return UNKNOWN


def with_pulumis_names(value: Any) -> Any:
    """Return inputs that have Python's names, at every depth, under Pulumi's names."""
    if isinstance(value, Mapping):
        return {
            re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), key): (
                one if key == "tags" else with_pulumis_names(one)
            )
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [with_pulumis_names(one) for one in value]
    return value
