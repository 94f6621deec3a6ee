"""What every kind of resource of the provider has in common: its verbs, its tags, its rules."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

Inputs = Mapping[str, Any]
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_GONE = ("NotFound", "NoSuch", "404", "Malformed")


class Gone(Exception):
    """A resource is not there any more."""


class Kind:
    """One type of resource: which inputs it needs, which replace it, and its verbs.

    `replaces` are inputs whose change makes the resource anew, as in the real provider;
    `a.b` is the part b of the input a. `named` is the input that gets a name with random
    digits where the program gives none. `first_delete` is for what cannot exist twice.
    """

    replaces: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    named = ""
    tag_type = ""
    first_delete = False

    def __init__(self, account: Any) -> None:
        self.account = account

    def create(self, inputs: Inputs, name: str) -> str:
        """Make it and return its id."""
        raise NotImplementedError

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        """Return what it is now; `Gone` or the cloud's own error if it is not."""
        raise NotImplementedError

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        """Change it in place."""

    def delete(self, id_: str, known: Inputs) -> None:
        """Delete it and wait until it is gone."""
        raise NotImplementedError

    def tags(self, inputs: Inputs) -> dict[str, str]:
        """Return its tags, those that the provider puts on everything among them."""
        return {**self.account.default_tags, **(inputs.get("tags") or {})}

    def labelled(self, inputs: Inputs, kind: str = "") -> list[dict[str, Any]]:
        """Return the tags as EC2 takes them when it makes something."""
        tags = pairs(self.tags(inputs))
        return [{"ResourceType": kind or self.tag_type, "Tags": tags}] if tags else []

    def retag(self, id_: str, old: Inputs, new: Inputs) -> None:
        """Change the tags of a resource of EC2."""
        before, after = self.tags(old), self.tags(new)
        surplus = [{"Key": key} for key in before if key not in after]
        if surplus:
            self.account.ec2.delete_tags(Resources=[id_], Tags=surplus)
        if after and after != before:
            self.account.ec2.create_tags(Resources=[id_], Tags=pairs(after))

    def seen_tags(self, found: Inputs) -> dict[str, Any]:
        """Return the tags of a description, as the outputs `tags` and `tagsAll`."""
        every = {one["Key"]: one["Value"] for one in found.get("Tags") or []}
        common = self.account.default_tags
        own = {key: value for key, value in every.items() if common.get(key) != value}
        return {"tags": own or None, "tagsAll": every}


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as the cloud takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def is_gone(error: Exception) -> bool:
    """Return whether an error says that the resource is not there."""
    if isinstance(error, ClientError):
        return any(word in error.response["Error"]["Code"] for word in _GONE)
    return isinstance(error, (Gone, IndexError))


def changed(old: Inputs, new: Inputs, *names: str) -> bool:
    """Return whether one of the inputs differs."""
    return any(old.get(name) != new.get(name) for name in names)


def differences(old: Inputs, new: Inputs) -> Iterator[str]:
    """Yield the inputs that differ, with the parts of an object one by one."""
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if name.startswith("__") or before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping) and name != "tags":
            yield from (f"{name}.{part}" for part in differences(before, after))
        else:
            yield name


def chosen(inputs: Inputs, **names: str) -> dict[str, Any]:
    """Return those inputs that are given, under the names that the cloud has for them."""
    return {
        theirs: inputs[ours] for theirs, ours in names.items() if inputs.get(ours) is not None
    }


def only(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one description there is."""
    if not found:
        raise Gone
    return found[0]


Lookup = Callable[[Any, Inputs], dict[str, Any]]
