"""What a shared run tells besides scores: the time it took, and what grew the trees."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.files import write_json
from workloads.engines import Outcome


class Spent:
    """What the shared units took; each trial is told an even part of what none was told yet."""

    def __init__(self) -> None:
        self._seconds = self._cpu_seconds = 0.0
        self.nodes: dict[str, None] = {}
        self.attempts = 1

    def add(self, outcome: Outcome, node: str, attempts: int) -> None:
        """Take in an attempt at a unit that ended well."""
        self._seconds += outcome.seconds
        self._cpu_seconds += outcome.cpu_seconds
        self.nodes[node] = None
        self.attempts = max(self.attempts, attempts)

    def part(self, trials: int) -> tuple[float, float]:
        """Return the part of one of so many trials; all parts together are the whole."""
        parts = self._seconds / trials, self._cpu_seconds / trials
        self._seconds -= parts[0]
        self._cpu_seconds -= parts[1]
        return parts


class Makers:
    """Which builders grew trees, why, and on which nodes; kept beside the values of units."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[list[str]] = json.loads(path.read_text()) if path.exists() else []

    def add(self, node: str, value: Mapping[str, Any]) -> None:
        """Take in what the value of a unit says of its builder."""
        line = [str(value.get("builder")), str(value.get("reason")), node]
        if line not in self._found:
            self._found.append(line)
            write_json(self._path, self._found)

    def summary(self) -> dict[str, str]:
        """Return the builders, and reasons and nodes of those that are not the compiled one."""
        if not self._found:
            return {}
        told = {"builder": ", ".join(sorted({builder for builder, _, _ in self._found}))}
        reasons: dict[str, list[str]] = {}
        for builder, reason, node in sorted(self._found):
            if builder != "compiled":
                reasons.setdefault(f"{builder}: {reason}", []).append(node)
        if reasons:
            words = (f"{reason} ({', '.join(nodes)})" for reason, nodes in reasons.items())
            told["builder_reason"] = "; ".join(words)
        return told
