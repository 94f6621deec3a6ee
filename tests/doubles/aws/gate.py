"""The door to moto: faults and delays on order, and the laws that moto does not keep.

Every call of the AWS API passes here, whoever makes it: the provider plugin, the product's own
boto3, a node. What a fault answers is a document as AWS sends it, so that each client does
with it what it does with the cloud's own.
"""

import io
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

CONTROL = "/double/"
_READING = ("Describe", "Get", "List", "Head")


class Gate:
    """A WSGI application around moto's.

    `law` may refuse a call before moto sees it, by returning (code, message). `after` is called
    when moto has answered a call of EC2 that may have changed something.
    """

    def __init__(
        self,
        moto: Callable[..., Iterable[bytes]],
        law: Callable[[str, str, dict[str, str]], tuple[str, str] | None],
        after: Callable[[str], None],
    ) -> None:
        self._moto, self._law, self._after = moto, law, after
        self._lock = threading.Lock()
        self._faults: list[dict[str, Any]] = []
        self._delay = 0.0
        self._calls: list[dict[str, str]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        body = _body(environ)
        if environ["PATH_INFO"].startswith(CONTROL):
            return self._control(environ["PATH_INFO"], body, start_response)
        service, region, key = _signed_for(environ.get("HTTP_AUTHORIZATION", ""))
        parameters = _parameters(environ, body)
        action = parameters.get("Action") or environ["REQUEST_METHOD"]
        refused = self._refusal(service, action, parameters, environ["PATH_INFO"])
        refused = refused or self._law(region, action, parameters)
        with self._lock:
            self._calls.append(
                {
                    "service": service,
                    "region": region,
                    "action": action,
                    "key": key,
                    "path": environ["PATH_INFO"],
                    "refused": refused[0] if refused else "",
                }
            )
        if self._delay:
            time.sleep(self._delay)
        if refused:
            return _error(service, *refused, start_response)
        answer = list(self._moto(environ, start_response))
        if service == "ec2" and not action.startswith(_READING):
            self._after(action)
        return answer

    def _refusal(
        self, service: str, action: str, parameters: dict[str, str], path: str
    ) -> tuple[str, str] | None:
        with self._lock:
            for fault in self._faults:
                where = fault.get("where", {})
                given = {**parameters, "path": path}
                if (
                    fault["left"] != 0
                    and fault.get("service", service) == service
                    and fault.get("action", action) == action
                    and all(value in given.get(name, "") for name, value in where.items())
                ):
                    fault["left"] -= 1
                    break
            else:
                return None
        # Outside the lock: one call that takes long holds no other one up.
        time.sleep(fault.get("seconds", 0.0))
        return (fault["code"], fault["message"]) if fault.get("code") else None

    def _control(self, path: str, body: bytes, start_response: Any) -> Iterable[bytes]:
        given = json.loads(body or b"{}")
        answer: Any = {}
        with self._lock:
            if path == f"{CONTROL}fault":
                self._faults.append({"left": given.pop("times", -1), **given})
            elif path == f"{CONTROL}clear":
                self._faults.clear()
                self._delay = 0.0
            elif path == f"{CONTROL}delay":
                self._delay = given["seconds"]
            elif path == f"{CONTROL}calls":
                answer, self._calls = self._calls, []
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]


def _body(environ: dict[str, Any]) -> bytes:
    length = environ.get("CONTENT_LENGTH") or "0"
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    if not form and not environ["PATH_INFO"].startswith(CONTROL):
        return b""
    body: bytes = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _parameters(environ: dict[str, Any], body: bytes) -> dict[str, str]:
    found = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        found["Action"] = target.rsplit(".", 1)[-1]
    return found


def _signed_for(authorization: str) -> tuple[str, str, str]:
    """Return service, region and access key of a signature of version 4."""
    scope = authorization.partition("Credential=")[2].split(",")[0].split("/")
    return (scope[3], scope[2], scope[0]) if len(scope) >= 5 else ("", "", "")


_STATUS = {
    "RequestLimitExceeded": "503 Service Unavailable",
    "SlowDown": "503 Slow Down",
    "Throttling": "400 Bad Request",
    "InsufficientInstanceCapacity": "500 Internal Server Error",
    "AuthFailure": "401 Unauthorized",
    "ExpiredToken": "403 Forbidden",
    "AccessDenied": "403 Forbidden",
    "UnauthorizedOperation": "403 Forbidden",
}


def _error(service: str, code: str, message: str, start_response: Any) -> Iterable[bytes]:
    """Answer as the protocol of the service spells an error."""
    code, message = escape(code), escape(message)
    inner = f"<Code>{code}</Code><Message>{message}</Message>"
    if service == "ec2":
        text = (
            f"<Response><Errors><Error>{inner}</Error></Errors>"
            "<RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
        )
    elif service == "s3":
        text = f"<Error>{inner}<RequestId>0000000000000000</RequestId></Error>"
    elif service in ("iam", "sts"):
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error>"
            "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
        )
    else:
        text = json.dumps({"__type": code, "message": message})
    kind = "text/xml" if text.startswith("<") else "application/x-amz-json-1.1"
    status = _STATUS.get(code, "400 Bad Request")
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(text)))])
    return [text.encode()]
