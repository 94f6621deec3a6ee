"""The cluster's database, for work that reads its data there: PostgreSQL, over TLS.

What a node connects with, bring-up left in Tandem's folder. Importing this imports no client.

>>> with connect("~/.tandem") as connection:  # doctest: +SKIP
...     connection.execute("SELECT 1")
"""

import json
from pathlib import Path
from typing import Any

from contracts import database
from contracts.errors import TandemError, UsageError

CONNECT_SECONDS = 10
# After which a server that says nothing more is given up.
SILENCE_SECONDS = 60
LOAD = "fab data.load DATASET --rows N"


def connect(home: str | Path) -> Any:
    """Return a connection of `psycopg` to the database of the cluster of this node.

    Statements are sent as they come, without a transaction, unless one is opened.

    Raises
    ------
    UsageError
        If the cluster has none, or this node was not given its key.
    TandemError
        If it cannot be reached from here, or refuses.
    """
    import psycopg

    folder = Path(home).expanduser()
    settings = _settings(folder / database.SETTINGS)
    where = f"{settings['host']}:{settings['port']}"
    try:
        return psycopg.connect(
            host=settings["host"],
            port=settings["port"],
            dbname=settings["database"],
            user=settings["user"],
            password=settings["password"],
            sslmode="verify-full",
            sslrootcert=str(folder / settings["authority"]),
            connect_timeout=CONNECT_SECONDS,
            tcp_user_timeout=SILENCE_SECONDS * 1000,
            keepalives_idle=SILENCE_SECONDS // 3,
            application_name="tandem",
            autocommit=True,
        )
    except psycopg.Error as error:
        refused = "FATAL:" in str(error)
        what = "refuses this node" if refused else "cannot be reached from this node"
        raise TandemError(
            f"The database at {where} {what}.",
            cause=_one_line(error),
            next_step=f"{LOAD} starts it; fab sweep.run gives the nodes their key",
        ) from error


def failed(error: Exception, doing: str) -> TandemError:
    """Return what became of a statement, in plain words."""
    return TandemError(f"The database failed while {doing}.", cause=_one_line(error))


def _settings(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        for name in ("host", "port", "database", "user", "password", "authority"):
            found[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "This node has no key of a database.",
            cause=f"{path}: {type(error).__name__}: {error}",
            next_step=f"{LOAD} starts one; fab sweep.run gives the nodes their key",
        ) from error
    return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__
