"""The boto3 clients of one configuration of the provider, on loopback and nowhere else."""

import ipaddress
import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlparse

import boto3
from botocore.config import Config


class Clients:
    """The clients of one configuration of the provider."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._configuration = configuration
        self.region = configuration.get("region") or os.environ.get("AWS_REGION", "")
        self.default_tags = (configuration.get("defaultTags") or {}).get("tags") or {}

    def client(self, service: str) -> Any:
        """Return a client; ValueError unless its endpoint is on loopback."""
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        for named in self._configuration.get("endpoints") or []:
            endpoint = named.get(service, endpoint)
        if not _on_loopback(endpoint):
            raise ValueError(
                f"this double of the AWS provider speaks to loopback only; {service} has the "
                f"endpoint {endpoint or 'of the real cloud'}"
            )
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=self.region,
            aws_access_key_id=self._configuration.get("accessKey"),
            aws_secret_access_key=self._configuration.get("secretKey"),
            aws_session_token=self._configuration.get("token"),
            config=Config(retries={"total_max_attempts": 6, "mode": "standard"}),
        )

    @cached_property
    def ec2(self) -> Any:
        """The client of EC2."""
        return self.client("ec2")

    @cached_property
    def s3(self) -> Any:
        """The client of S3."""
        return self.client("s3")

    @cached_property
    def iam(self) -> Any:
        """The client of IAM."""
        return self.client("iam")

    @cached_property
    def sts(self) -> Any:
        """The client of STS."""
        return self.client("sts")

    @cached_property
    def owner(self) -> str:
        """The number of the account; asking for it proves the credentials."""
        return str(self.sts.get_caller_identity()["Account"])


def _on_loopback(endpoint: str) -> bool:
    host = urlparse(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
