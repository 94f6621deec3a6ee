"""`fab sweep.settings`: what can be set for a workload, to what, and what it means."""

from collections.abc import Mapping
from typing import Any

from invoke.context import Context

from contracts.trial import canonical
from tasks.sweep_words import WORDS
from tasks.verb import Answer, verb
from workloads import registry

WIDEST = 28


@verb(help={"workload": f"whose parameters: {', '.join(registry.names())}"})
def settings(context: Context, workload: str = "forest") -> Answer:
    """Show each parameter of a workload, what it means, its default, and the presets."""
    found = registry.find(workload)
    defaults, words = found.defaults(), WORDS[workload]
    names = [name for name in words if name in defaults]
    parameters = [
        {"name": name, "default": defaults[name], "meaning": words[name]} for name in names
    ]
    presets = {name: dict(values) for name, values in found.PRESETS.items()}
    document = {
        "workload": workload,
        "parameters": parameters,
        "presets": presets,
        "size": found.SIZE,
        "score": found.QUALITY,
    }
    return Answer(document, _text(document))


def _text(document: Mapping[str, Any]) -> str:
    shown = [(one["name"], _short(one["default"])) for one in document["parameters"]]
    widths = [max(len(pair[place]) for pair in shown) for place in (0, 1)]
    lines = [
        f"{name:<{widths[0]}}  {value:<{widths[1]}}  {one['meaning']}"
        for (name, value), one in zip(shown, document["parameters"], strict=True)
    ]
    widest = max(len(name) for name in document["presets"])
    presets = [
        f"--preset {name:<{widest}}  "
        + (", ".join(f"{key}={_short(value)}" for key, value in values.items()) or "as above")
        for name, values in document["presets"].items()
    ]
    command = f"fab sweep.run --workload {document['workload']}"
    first = document["parameters"][0]["name"]
    return "\n".join(
        [
            f"{document['workload']}: name, default and meaning of each parameter",
            *lines,
            "",
            *presets,
            "",
            f"One value:      {command} --set {document['size']}=VALUE",
            f"Several:        {command} --vary {first}=VALUE,VALUE",
            f"Data sizes:     {command} --sizes N,N   ({document['size']})",
            f"All in a file:  {command} --grid FILE.toml",
            f"The score: {document['score']}",
        ]
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."
