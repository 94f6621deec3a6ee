"""A verb as `fab` calls it, in the test's own process: what it answers, and how it ends."""

import json
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit


def answer(verb: Any, capsys: Any, **options: Any) -> tuple[int, dict[str, Any]]:
    """Call a verb with `--json`; return its exit code and its document."""
    capsys.readouterr()
    code = 0
    try:
        verb(Context(), json=True, **options)
    except Exit as ended:
        code = int(ended.code or 0)
    return code, json.loads(capsys.readouterr().out)
