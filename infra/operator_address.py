"""The operator's own address as the internet sees it: the one from which SSH is allowed."""

import ipaddress
import threading
import urllib.error
import urllib.request

from contracts.errors import DeadlineError, TandemError

SECONDS = 10.0
_MOST_BYTES = 256


def find(url: str, *, timeout: float = SECONDS) -> str:
    """Ask a service that answers with the caller's IPv4 address; return it.

    Raises
    ------
    DeadlineError
        If it has not answered after `timeout` seconds.
    TandemError
        If it cannot be asked, or answers anything else.
    """
    answers: list[str | Exception] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310  checked
                answers.append(answer.read(_MOST_BYTES).decode("ascii", "replace").strip())
        except (OSError, ValueError) as error:
            answers.append(error)

    # The library's own limit counts from byte to byte, so a slow answer could last for ever.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if not answers:
        raise DeadlineError(
            waited_for="this computer's public address",
            whom=url,
            seconds=timeout,
            last_state="no answer",
            next_step=_NEXT,
        )
    found = answers[0]
    if isinstance(found, Exception):
        reason = getattr(found, "reason", None) or found
        raise TandemError(
            f"{url} could not be asked for this computer's public address.",
            cause=str(reason)[:200],
            next_step=_NEXT,
        )
    try:
        address = ipaddress.IPv4Address(found)
    except ValueError:
        address = None
    if address is None or address.is_unspecified or address.is_multicast:
        raise TandemError(
            f"{url} answered {found!r:.60} instead of an IPv4 address.", next_step=_NEXT
        )
    return str(address)


_NEXT = "pulumi config set operator-cidrs ADDRESS/32, with the address you connect from"
