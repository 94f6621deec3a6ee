"""A stranger at a TLS port: does it let in a client without a certificate, or without TLS?"""

from __future__ import annotations

import socket
import ssl


def refuses(host: str, port: int, timeout: float = 5.0) -> bool:
    """Say whether a port refuses both a TLS client without a certificate and a plain one.

    In TLS 1.3 a server reads the client's certificate after the client has finished its
    own part, so the refusal shows at the first read: an alert, a reset or the end. A server of
    Dask that accepts a client speaks first.
    """
    return not (
        _lets_in(host, port, timeout, _stranger()) or _lets_in(host, port, timeout, None)
    )


def _stranger() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _lets_in(host: str, port: int, timeout: float, context: ssl.SSLContext | None) -> bool:
    with socket.create_connection((host, port), timeout) as plain:
        plain.settimeout(timeout)
        try:
            if context is not None:
                with context.wrap_socket(plain) as stream:
                    return bool(stream.recv(1))
            plain.sendall(b"\x00" * 64)
            return bool(plain.recv(1))
        except TimeoutError:
            return True
        except (ssl.SSLError, OSError):
            return False
