"""Find graphviz, which draws task graphs into reports, or install its package."""

import os
import shutil
from pathlib import Path

from contracts.errors import TandemError
from contracts.progress import Event, Tell
from infra import commands

WITHOUT = (
    "There is no dot on PATH: reports keep task graphs and do not draw them "
    "(sudo apt-get install graphviz)."
)


def ensure(tell: Tell) -> str | None:
    """Return the path of `dot`; as root on Debian or Ubuntu it is installed where missing.

    Where it cannot be installed that is told, and None returned: only drawings need it.
    """
    found = shutil.which("dot")
    if found:
        tell(Event("setup", "graphviz", "skipped", detail=f"found {found}"))
        return found
    debian = Path("/etc/debian_version").exists() and shutil.which("apt-get")
    if os.geteuid() == 0 and debian:
        try:
            commands.install(["graphviz"], tell)
        except TandemError as error:
            detail = f"{WITHOUT} {error.problem}"
            tell(Event("setup", "graphviz", "skipped", detail=detail))
    else:
        tell(Event("setup", "graphviz", "skipped", detail=WITHOUT))
    return shutil.which("dot")
