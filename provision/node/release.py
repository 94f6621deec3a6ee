"""End everything that Tandem runs on this node, and note that it belongs to no cluster."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from provision.node import records
from provision.node.program import Channel, Failure


def main(request: dict[str, Any], channel: Channel) -> list[str]:
    """Stop every record's processes; return the names of those that were running."""
    home = os.path.join(os.path.expanduser("~"), ".tandem")
    ended = []
    for name in records.names(home):
        try:
            if records.stop(home, name, grace=request["grace"]):
                ended.append(name)
        except TimeoutError as error:
            raise Failure(
                str(error), next_step="restart that machine", kind="deadline"
            ) from error
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(home, "cluster.json"))
    return ended
