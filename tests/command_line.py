"""The verbs as a user types them: `fab` in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FAB = (str(Path(sys.executable).with_name("fab")),)


@dataclass(frozen=True)
class Answered:
    """How a verb ended: its exit code, and what it wrote to each stream."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Return the JSON object, which must be all that stands on standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


def fab(*arguments: str, state: Path, timeout: float = 300.0, **environment: str) -> Answered:
    """Run one verb in the project's folder with the given state folder."""
    done = subprocess.run(
        [*FAB, *arguments],
        cwd=ROOT,
        env={**os.environ, "TANDEM_STATE": str(state), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Answered(done.returncode, done.stdout, done.stderr)
