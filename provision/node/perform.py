"""Call a function of the project's own code on this node, for an operator who waits.

It is called as `function(tell, **given)`; `tell(fraction, detail)` says how far it is, and
raises once the operator is gone, so that nothing goes on for nobody.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from provision.node.program import Channel, Failure, operator_left


def main(request: dict[str, Any], channel: Channel) -> Any:
    """Import the function from the code of this node, and return what it returns."""
    sys.path.insert(0, request["code"])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    module, _, name = request["function"].partition(":")
    function = getattr(importlib.import_module(module), name)

    def tell(fraction: float, detail: str) -> None:
        if operator_left():
            raise Failure("The operator gave up waiting.", kind="cancelled")
        channel.tell(fraction=fraction, detail=detail)

    try:
        return function(tell, **request["given"])
    except Exception as error:
        # An error of the project's, whose class these programs do not have.
        words = {name: getattr(error, name, None) or "" for name in ("cause", "next_step")}
        if not hasattr(error, "problem"):
            raise
        raise Failure(error.problem, **words) from error
