"""When a cluster was made and when it ends itself, kept so that two runs agree about it."""

import datetime
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult


class LifetimeProvider(ResourceProvider):
    """Reads the clock once; a changed limit counts from then, a passed one starts anew."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Begin now."""
        outputs = lifetime(_now(), float(props["ttl_hours"]))
        return CreateResult(outputs["created_at"], {**props, **outputs})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Say whether the limit changed, or has passed."""
        wanted = _lifetime_after(_olds, float(_news["ttl_hours"]))
        return DiffResult(changes=any(_olds[key] != value for key, value in wanted.items()))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Count the new limit from the beginning; machines made after the end begin again."""
        wanted = _lifetime_after(_olds, float(_news["ttl_hours"]))
        return UpdateResult({**_news, **wanted})


class Lifetime(Resource, name="Lifetime"):
    """`created_at` and `expires_at` in ISO 8601, UTC."""

    created_at: pulumi.Output[str]
    expires_at: pulumi.Output[str]

    def __init__(self, name: str, ttl_hours: float, opts: pulumi.ResourceOptions) -> None:
        inputs = {"ttl_hours": ttl_hours, "created_at": None, "expires_at": None}
        super().__init__(LifetimeProvider(), name, inputs, opts)


def lifetime(begin: datetime.datetime, hours: float) -> dict[str, str]:
    """Return both ends of a lifetime of so many hours."""
    end = begin + datetime.timedelta(hours=hours)
    return {
        "created_at": begin.isoformat(timespec="seconds"),
        "expires_at": end.isoformat(timespec="seconds"),
    }


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _lifetime_after(before: dict[str, Any], hours: float) -> dict[str, str]:
    """Return the lifetime that goes on from `before`, or begins now if it would be over."""
    begin = datetime.datetime.fromisoformat(before["created_at"])
    over = begin + datetime.timedelta(hours=hours) <= _now()
    return lifetime(_now() if over else begin, hours)
