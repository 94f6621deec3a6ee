"""The metadata service of one instance, version 2: a token first, and the role's credentials.

The credentials are made by moto's STS for the role of the instance's profile, for a short
time, so moto's own enforcement decides what they open.
"""

import json
import secrets
import time
from collections.abc import Iterable
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from tests.doubles.aws import laws

ADDRESS = "169.254.169.254"
CREDENTIAL_SECONDS = 3600
_RENEW_SECONDS = 900
_ROLE = "iam/security-credentials/"


class Metadata:
    """A WSGI application; `instance` is moto's."""

    def __init__(self, instance: Any, region: str) -> None:
        self._instance, self._region = instance, region
        self._tokens: dict[str, float] = {}
        self._credentials: dict[str, str] = {}
        self._renew_at = 0.0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        status, body = self._answer(environ)
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, bytes]:
        options = self._instance.metadata_options
        path = environ["PATH_INFO"]
        if options.http_endpoint == "disabled" or environ.get("HTTP_X_FORWARDED_FOR"):
            return "403 Forbidden", b""
        if path == "/latest/api/token" and environ["REQUEST_METHOD"] == "PUT":
            seconds = environ.get("HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS", "")
            if not seconds.isdigit() or not 1 <= int(seconds) <= 21600:
                return "400 Bad Request", b""
            token = secrets.token_urlsafe(32)
            self._tokens[token] = time.monotonic() + int(seconds)
            return "200 OK", token.encode()
        token = environ.get("HTTP_X_AWS_EC2_METADATA_TOKEN", "")
        valid = self._tokens.get(token, 0.0) > time.monotonic()
        if not valid and (token or options.http_tokens == "required"):
            return "401 Unauthorized", b""
        found = self._page(path.removeprefix("/latest/"))
        return ("404 Not Found", b"") if found is None else ("200 OK", found.encode())

    def _page(self, path: str) -> str | None:
        one = self._instance
        if path == "dynamic/instance-identity/document":
            return json.dumps(
                {
                    "instanceId": one.id,
                    "region": self._region,
                    "imageId": one.image_id,
                    "instanceType": one.instance_type,
                    "availabilityZone": one.availability_zone,
                    "privateIp": one.private_ip,
                    "accountId": DEFAULT_ACCOUNT_ID,
                }
            )
        name = path.removeprefix("meta-data/")
        if name.startswith(_ROLE):
            return self._of_role(name.removeprefix(_ROLE))
        pages = {
            "instance-id": one.id,
            "ami-id": one.image_id,
            "instance-type": one.instance_type,
            "instance-life-cycle": one.lifecycle or "on-demand",
            "local-ipv4": one.private_ip,
            "public-ipv4": one.public_ip,
            "placement/availability-zone": one.availability_zone,
            "placement/region": self._region,
            "services/domain": "amazonaws.com",
        }
        return pages.get(name)

    def _of_role(self, name: str) -> str | None:
        role = self._role()
        if role is None or name.rstrip("/") not in ("", role.name):
            return None
        if not name:
            return str(role.name)
        trust = json.dumps(json.loads(role.assume_role_policy_document))
        if "ec2.amazonaws.com" not in trust:
            return json.dumps({"Code": "AssumeRoleUnauthorizedAccess"})
        if time.monotonic() > self._renew_at:
            self._renew(role)
        return json.dumps(self._credentials)

    def _role(self) -> Any:
        """Return the role of the instance's profile, as it is now."""
        links = laws.ec2(self._region).iam_instance_profile_associations
        link = links.get(self._instance.id)
        if link is None:
            return None
        profiles = iam_backends[DEFAULT_ACCOUNT_ID]["aws"].instance_profiles
        profile = profiles.get(link.iam_instance_profile.name)
        return profile.roles[0] if profile and profile.roles else None

    def _renew(self, role: Any) -> None:
        made = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assume_role(
            region_name=self._region,
            role_session_name=self._instance.id,
            role_arn=role.arn,
            policy="",
            duration=CREDENTIAL_SECONDS,
            external_id="",
        )
        stamp = "%Y-%m-%dT%H:%M:%SZ"
        self._credentials = {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": time.strftime(stamp, time.gmtime()),
            "AccessKeyId": made.access_key_id,
            "SecretAccessKey": made.secret_access_key,
            "Token": made.session_token,
            "Expiration": time.strftime(stamp, time.gmtime(time.time() + CREDENTIAL_SECONDS)),
        }
        self._renew_at = time.monotonic() + CREDENTIAL_SECONDS - _RENEW_SECONDS
