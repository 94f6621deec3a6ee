"""ResNet-18 without an engine: one process on one machine."""

from collections.abc import Mapping
from typing import Any

from workloads.programs import Connected
from workloads.resnet import member


def train(
    connected: Connected, *, data: Mapping[str, Any], recipe: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Train in this process."""
    told = connected.counting("epochs")
    found = member.train_alone(
        connected.home, data, recipe, connected.slots, lambda done: told(done, recipe["epochs"])
    )
    return [trial(found)]


def warm_up(
    connected: Connected, *, data: Mapping[str, Any], recipe: Mapping[str, Any]
) -> bool:
    """Load and compile what the training will need."""
    member.warm_up(connected.home, data, recipe, 1, connected.slots)
    return True


def trial(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what came of a training as the result of its trial."""
    extra = {name: value for name, value in found.items() if name != "accuracy"}
    return {"scores": [found["accuracy"]], "extra": extra}
