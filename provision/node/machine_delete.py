"""Delete the machines of a cloud in which a machine that is shut down costs on.

Only the head has what that needs: an application credential of OpenStack that may delete the
machines of its own cluster and do nothing else.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

ANSWER_SECONDS = 30.0
# The others, whose time is up now as well, save their last work meanwhile.
OTHERS_SECONDS = 90.0
AGAIN_SECONDS = 10.0
GIVE_UP_SECONDS = 900.0
_GONE = (204, 404)


def delete_all(ending: Any, log: Callable[[str], None]) -> None:
    """Delete every machine, this one last; try again until all are gone or time is out.

    Without this one nobody would try again, so it stays as long as any other does.
    """
    if not isinstance(ending, dict):
        return
    left = list(ending.get("servers", ()))
    if len(left) > 1:
        time.sleep(OTHERS_SECONDS)
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while left:
        late = time.monotonic() > give_up
        try:
            token = _token(ending)
            for server in list(left):
                if len(left) > 1 and server == left[-1] and not late:
                    break
                code = _delete(ending, token, server)
                log(f"delete {server}: {code}")
                if code in _GONE:
                    left.remove(server)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log(f"deleting machines: {error}")
        if not left or late:
            return
        time.sleep(AGAIN_SECONDS)


def prove(ending: dict[str, Any]) -> str:
    """See that the credential works, by deleting a machine that nobody has.

    Raises
    ------
    RuntimeError
        If the cloud would not let this machine delete the others.
    """
    try:
        code = _delete(ending, _token(ending), ending["nobody"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"the cloud was not asked: {error}") from error
    if code != 404:
        raise RuntimeError(f"the cloud answered {code} where only 404 means that it may")
    return "may delete the cluster's machines"


def _token(ending: dict[str, Any]) -> str:
    base = ending["auth_url"].rstrip("/")
    base = base if base.endswith("/v3") else f"{base}/v3"
    known = {"id": ending["id"], "secret": ending["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": known}
    request = urllib.request.Request(  # noqa: S310  the operator's own login address
        f"{base}/auth/tokens",
        data=json.dumps({"auth": {"identity": identity}}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310  same
        return str(answer.headers["X-Subject-Token"])


def _delete(ending: dict[str, Any], token: str, server: str) -> int:
    request = urllib.request.Request(  # noqa: S310  the cloud that the operator logged in to
        f"{ending['compute_url'].rstrip('/')}/servers/{server}",
        headers={"X-Auth-Token": token},
        method="DELETE",
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310  same
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
