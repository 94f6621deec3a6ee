"""A cloud of its own for a test: started, asked through boto3, told to fail, and removed."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config

ROOT = Path(__file__).parents[3]
REGION = "eu-north-1"
_START_SECONDS = 300
_END_SECONDS = 60


class Account:
    """The operator's view of the cloud: the endpoint, a key, and boto3 clients.

    `environment` is what a process needs to use it, and to use no other account.
    """

    def __init__(self, told: dict[str, Any], folder: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{told['port']}"
        self.process_id = int(told["pid"])
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": told["key_id"],
            "AWS_SECRET_ACCESS_KEY": told["secret"],
            "AWS_SESSION_TOKEN": "",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # Neither this computer's own account nor its metadata service is ever asked.
            "AWS_CONFIG_FILE": str(folder / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PROFILE": "",
        }
        del self.environment["AWS_PROFILE"]

    def client(self, service: str, region: str = REGION, **credentials: str) -> Any:
        """Return a boto3 client; the operator's, unless it is given other credentials."""
        own = {
            "aws_access_key_id": self.environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.environment["AWS_SECRET_ACCESS_KEY"],
        }
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            config=Config(retries={"total_max_attempts": 2}),
            **(credentials or own),
        )

    def fail(self, action: str, code: str, message: str, **more: Any) -> None:
        """Let calls of an action fail.

        `times` is how many (all, if it is not said), `where` are parameters of the call and
        what their values contain, `service` is the service's name in a signature.
        """
        self._control("fault", action=action, code=code, message=message, **more)

    def slow(self, action: str, seconds: float, **more: Any) -> None:
        """Let calls of an action take so much longer; `more` as for `fail`."""
        self._control("fault", action=action, seconds=seconds, **more)

    def delay(self, seconds: float) -> None:
        """Let every call take so much longer."""
        self._control("delay", seconds=seconds)

    def clear(self) -> None:
        """Let nothing fail any more, and take no longer than it takes."""
        self._control("clear")

    def calls(self) -> list[dict[str, str]]:
        """Return the calls since this was last asked."""
        found = self._control("calls")
        assert isinstance(found, list)
        return found

    def _control(self, name: str, **given: Any) -> Any:
        answer = requests.post(f"{self.endpoint}/double/{name}", json=given, timeout=30)
        answer.raise_for_status()
        return answer.json()


@contextlib.contextmanager
def cloud(folder: Path, *, machines: bool = False) -> Iterator[Account]:
    """Run a cloud; with `machines`, its instances are containers."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.doubles.aws.moto_cloud", str(folder)]
    with (folder / "cloud.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--machines"] if machines else command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        line = process.stdout.readline()
        if not line:
            process.wait(_START_SECONDS)
            raise RuntimeError((folder / "cloud.log").read_text()[-3000:])
        yield Account(json.loads(line), folder)
    finally:
        process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        finally:
            process.kill()
            process.stdout.close()
