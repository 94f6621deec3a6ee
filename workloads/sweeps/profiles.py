"""The profile of a run, fetched from the head into the sweep's folder of results.

What a node sends is kept as data: a graph is checked and written anew, and a performance
report, which is a page with scripts, is put into a frame that may run these and nothing else:
it has no network, no files, and no part in the page around it.
"""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.errors import TandemError
from contracts.files import write_atomically
from workloads import profiles
from workloads.profiles import graph
from workloads.sweeps.cluster import Cluster

FOLDER = "profiles"
GRAPH = "task-graph.dot"
# A page that may run what stands in it, and neither fetch, nor send, nor load anything.
_FRAME = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
    'font-src data:">'
    "<title>Performance report of Dask</title>"
    "<style>html,body,iframe{{display:block;margin:0;border:0;width:100%;height:100%}}</style></head>"
    '<body><iframe sandbox="allow-scripts" title="Performance report of Dask" '
    'srcdoc="{}"></iframe></body></html>\n'
)


def fetch(
    told: Mapping[str, str], cluster: Cluster, folder: str, sweep: Path
) -> tuple[Mapping[str, Any], ...]:
    """Keep the parts of a run's profile; return for each its name, and path or reason.

    Parameters
    ----------
    told : mapping
        What the driver said of each part: why there is none, or nothing.
    folder : str
        The run's on the head, and here that of its profile.
    sweep : Path
        The folder of the sweep, to which paths are relative.
    """
    found = []
    for part, reason in told.items():
        kept: dict[str, Any] = {"name": part}
        try:
            if not reason:
                path = _kept(part, cluster.fetch(folder, part), sweep / FOLDER / folder)
                kept["path"] = str(path.relative_to(sweep))
                kept["bytes"] = path.stat().st_size
        except (TandemError, OSError, ValueError, RecursionError) as error:
            problem = error.problem if isinstance(error, TandemError) else str(error)
            reason = f"it could not be kept: {problem}"
        found.append({**kept, "reason": reason[:300]} if reason else kept)
    return tuple(found)


def _kept(part: str, content: bytes | None, folder: Path) -> Path:
    """Write one part; returns its path."""
    if content is None:
        raise ValueError("it is not on the head")
    if len(content) > profiles.MOST_BYTES:
        raise ValueError(f"it has more than {profiles.MOST_BYTES >> 20} MB")
    if part == profiles.GRAPH:
        document = json.loads(content)
        if not isinstance(document, dict):
            raise ValueError("the task graph is no JSON object")
        path, text = folder / GRAPH, graph.dot(graph.checked(document))
    elif part == profiles.DASK_REPORT:
        inner = html.escape(content.decode("utf-8", "replace"))
        path, text = folder / part, _FRAME.format(inner)
    else:
        events = json.loads(content)
        path, text = folder / part, json.dumps(events)
    write_atomically(path, text)
    return path
